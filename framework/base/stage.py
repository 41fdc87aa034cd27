"""What a stage subclasses: a small transformation around the optimizer's rule (clip, then rule, then average)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.base.parameters import Parameters, State


class Stage(Configurable, ABC):
    """One link of the chain around the rule. Stages run in the order the user names them.

    A stage overrides `before`, `after` or both. Columns (fields made with ``hyper``) have shape ``(R, 1)``; a stage
    works per run, never across the runs axis.

    Attributes:
        needs_lr: the stage uses the learning rate, so the optimizer must have one.
        moves_parameters: `before` moves the parameters too. Such a stage must come after every stage that joins
            several batches (``every``): it would otherwise act once a batch instead of once a step of the rule.
        every: the chain goes past this stage at each ``every``-th step only, which then counts as one step of the rule.
            The other steps end with this stage's `before`.
        seeds: the runs' seeds, one a run, or one for all: with the step, all that a stage's noise may depend on.
    """

    needs_lr: ClassVar[bool] = False
    moves_parameters: ClassVar[bool] = False
    every: int = 1
    seeds: Sequence[int] = (0,)

    def initial_state(self, parameters: Parameters) -> State:
        """Return the state before the first step: arrays with a leading runs axis."""
        return {}

    def first_act(self) -> int:
        """Return the step of the rule, from 1, at which this stage first has an effect.

        A budget that ends earlier is refused before the start.
        """
        return 1

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Change ``gradients`` (or ``parameters``) in place before the rule sees them.

        Args:
            parameters: values of the R runs, ``flat`` of shape ``(R, size)``.
            gradients: as ``parameters``.
            state: this stage's own arrays, changed in place.
            lr: this step's learning rate, schedule included, shape ``(R, 1)``, in the parameters' dtype.
        """

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Change ``parameters`` in place after the rule moved them. Arguments as in `before`."""

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the parameters to evaluate and to keep, ``(R, size)``, or None if they are the trained ones.

        The model's buffers (batch norm's running statistics) are then recomputed for these parameters on the training
        data before each evaluation, and the trained model's are put back after it.
        """
        return None
