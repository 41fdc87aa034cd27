"""Weight decay that does not pass through the rule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, hyper


class DecoupledWeightDecay(Stage):
    """Shrink the parameters by the factor 1 - lr * weight_decay before the rule moves them.

    With lr the learning rate times the schedule's factor, the parameters become::

        p = p (1 - lr weight_decay)

    The decay does not enter the rule's own averages. With ``optimizer=adam`` this is AdamW. The parameters decay once
    per step of the rule: with ``accumulate``, list this stage after it (the other order, which would decay at every
    batch, is refused).

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2.

    Differs from the paper, as torch does: the decay is multiplied by lr, not by the schedule's factor alone.
    """

    needs_lr = True
    moves_parameters = True
    replayable = True
    weight_decay: float = hyper(0.01, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Shrink ``parameters`` in place."""
        kept = 1 - lr.astype(np.float64) * self.weight_decay
        parameters.flat *= kept.astype(parameters.dtype)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("decoupled_weight_decay", DecoupledWeightDecay)
