"""Gradient accumulation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, integer


class Accumulate(Stage):
    """Apply the rule once every several batches, to the mean of their gradients.

    At each ``every``-th batch, with g_1, g_2 and so on the gradients since the rule's last step, it receives::

        g = (g_1 + ... + g_every) / every

    The stages listed after this one act only then too; in between, the parameters do not change. Stages listed before
    this one act on each batch's gradient. Each application of the rule counts as one step for the rule itself, as in
    Adam's bias correction; the schedule, the budget and all records count batches. If all batches have one size, this
    is equal to a batch size ``every`` times as large. Fewer than ``every`` batches left at the end of training are not
    used.

    A budget of fewer steps than ``every`` is refused. So is a stage that moves the parameters (such as
    ``decoupled_weight_decay``) listed before this one, because it would act at every batch.

    Source: common practice; as ``optax.MultiSteps``, which uses the mean too.

    Differs from the usual code in torch, several calls of ``loss.backward()``: the gradient is the sum there unless
    each loss is divided.
    """

    every: int = integer(4, at_least=1, help="batches per step of the rule")

    def initial_state(self, parameters: Parameters) -> State:
        """Return the sum of gradients since the rule's last step ``(R, size)`` and the count of batches ``(R, 1)``."""
        return {"sum": np.zeros_like(parameters.flat), "count": np.zeros((parameters.runs, 1))}

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Add the gradient to the sum; at each ``every``-th batch, replace it by the mean."""
        state["count"] += 1
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            state["sum"] += gradients.flat
        if state["count"][0, 0] % self.every == 0:  # runs that step together have the same count
            np.divide(state["sum"], gradients.dtype.type(self.every), out=gradients.flat)
            state["sum"][...] = 0


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("accumulate", Accumulate)
