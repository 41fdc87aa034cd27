"""Momentum before the rule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, flag, hookimpl, hyper


class Trace(Stage):
    """Replace the gradient by a decaying sum of gradients (momentum).

    At each step::

        trace = g + decay trace
        g = trace                               with ``nesterov``, g + decay trace

    The trace starts at 0. With ``optimizer=iterative`` this is ``sgd`` with momentum.

    Sources: Polyak 1964; Sutskever et al. 2013, equations 1 to 4.

    Differs from ``optax.trace``: not at all.
    """

    replayable = True

    decay: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the sum")
    nesterov: bool = flag(False, help="use Nesterov momentum")

    def initial_state(self, parameters: Parameters) -> State:
        """Return the trace, zeros of shape ``(R, size)``."""
        return {"trace": np.zeros_like(parameters.flat)}

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Replace ``gradients`` in place."""
        trace, decay = state["trace"], np.asarray(self.decay).astype(gradients.dtype)
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            trace *= decay
            trace += gradients.flat
            if self.nesterov:
                gradients.flat += decay * trace
            else:
                gradients.flat[...] = trace


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("trace", Trace)
