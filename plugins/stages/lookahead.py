"""Lookahead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, hyper, integer


class Lookahead(Stage):
    """Every k steps, move slow weights towards the parameters and restart from there.

    The rule moves the fast weights p. After every k-th step::

        slow = slow + alpha (p - slow)
        p = slow

    The slow weights are evaluated and saved. They do not change in between: before step k they are the initial
    parameters. A budget of fewer than k steps is refused.

    The rule's own state is kept at a restart, which is the paper's default. Batch norm's running statistics are those
    of the fast weights during training; for an evaluation of the slow weights they are recomputed on the training data.
    The defaults are the paper's.

    Source: Zhang, Lucas, Hinton & Ba 2019, arXiv:1907.08610, Algorithm 1, with the slow weights for evaluation as in
    its section 3 and in ``optax.lookahead``.

    Differs from the paper: its variants that reset or interpolate the rule's state are not implemented. Differs from
    optax: optax leaves the recomputation of batch norm's statistics to the caller.
    """

    k: int = integer(5, at_least=1, help="steps of the rule per step of the slow weights")
    alpha: float = hyper(
        0.5, above=0, at_most=1, prior="linear", search=(0.2, 0.8), help="step size of the slow weights"
    )

    def first_act(self) -> int:
        """Return k: the slow weights do not change before step k."""
        return self.k

    def initial_state(self, parameters: Parameters) -> State:
        """Return the slow weights, initially the parameters ``(R, size)``, and the count of steps ``(R, 1)``."""
        return {"slow": parameters.flat.copy(), "count": np.zeros((parameters.runs, 1))}

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Every k steps, move the slow weights and copy them to the parameters."""
        state["count"] += 1
        due = state["count"][:, 0] % self.k == 0
        if not due.any():
            return
        alpha = np.broadcast_to(self.alpha, (parameters.runs, 1)).astype(parameters.dtype)[due]
        slow, fast = state["slow"][due], parameters.flat[due]
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            slow += alpha * (fast - slow)
        state["slow"][due] = parameters.flat[due] = slow

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the slow weights, ``(R, size)``."""
        return state["slow"]


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("lookahead", Lookahead)
