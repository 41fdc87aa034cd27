"""Cautious updates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl


class Cautious(Stage):
    """Drop the parts of an update that go against the current gradient, and scale up the rest.

    With u the rule's update (the parameters before it minus those after it) and g the gradient, for each tensor of each
    run::

        kept = u g > 0
        p = p - u kept size / (count(kept) + 1)

    The update is the difference of the parameters, so that the stage works with every rule; it has their rounding
    error, and includes weight decay by the rule itself. Decay by the stage ``decoupled_weight_decay`` is not masked, as
    in the paper, if that stage is listed before this one.

    g is the gradient that the rule received.

    Source: Liang et al. 2024, arXiv:2411.16085, Algorithm 1 (equation 4 with xi = 1), per tensor as in the authors'
    code.

    Differs from later versions of the authors' code: they divide by max(mean(kept), 1e-3) instead.
    """

    replayable = True

    def initial_state(self, parameters: Parameters) -> State:
        """Return the array for the parameters before the rule, ``(R, size)``."""
        return {"start": parameters.flat.copy()}

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Store the parameters before the rule."""
        state["start"][...] = parameters.flat

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Replace the update by the masked and scaled one."""
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            for part in parameters.slices.values():
                start, moved = state["start"][:, part], parameters.flat[:, part]
                move = start - moved
                agreement = np.sign(move) * np.sign(gradients.flat[:, part])  # signs: u g itself may underflow
                kept = ~(agreement <= 0)  # NaN counts as kept, so that a divergence stays visible
                scale = moved.shape[1] / (kept.astype(np.float64).sum(axis=1, keepdims=True) + 1.0)
                moved[...] = np.where(kept, start - scale.astype(moved.dtype) * move, start)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("cautious", Cautious)
