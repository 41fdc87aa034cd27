"""Gradient accumulation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, integer


class Accumulate(Stage):
    """Let the rule act on the mean gradient of several batches at once.

    The rule, and the stages named after this one, act at each ``every``-th step, on the mean of the gradients since; in
    between nothing moves. Stages named before this one act on each batch's gradient. One act of the rule counts as
    one step of its own, as in Adam's bias correction; the schedule, the budget and all that is recorded count batches.
    With batches of one size it is the batch size times ``every``; a rest of fewer batches at the end of training is
    not used. A budget of fewer steps than ``every`` is refused, as is a stage that moves the parameters (such as
    ``decoupled_weight_decay``) named before this one: it would act at every batch.

    Source: common practice; as ``optax.MultiSteps``, which takes the mean too.

    Differs from torch's idiom, several calls of ``loss.backward()``, which takes the sum unless each loss is divided.
    """

    every: int = integer(4, at_least=1, help="batches to a step of the rule")

    def initial_state(self, parameters: Parameters) -> State:
        """Return the sum of gradients since the rule acted, and the count of batches."""
        return {"sum": np.zeros_like(parameters.flat), "count": np.zeros((parameters.runs, 1))}

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Take the gradient in; at an ``every``-th batch, put the mean in its place."""
        state["count"] += 1
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            state["sum"] += gradients.flat
        if state["count"][0, 0] % self.every == 0:  # runs that step together have seen the same number of batches
            np.divide(state["sum"], gradients.dtype.type(self.every), out=gradients.flat)
            state["sum"][...] = 0


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("accumulate", Accumulate)
