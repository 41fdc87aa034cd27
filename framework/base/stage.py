"""Base class of stages: transformations before or after the optimizer's rule, such as clipping and averaging."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.base.parameters import Parameters, State


class Stage(Configurable, ABC):
    """One transformation in the chain around the rule. Stages run in the order in which the user lists them.

    A stage overrides `before`, `after` or both. Columns (fields made with ``hyper``) have shape ``(R, 1)``; a stage
    works per run, never across the runs axis.

    Attributes:
        needs_lr: whether the stage uses the learning rate; the optimizer must then have one.
        replayable: whether NumPy's calls in `before` and `after` may be recorded and replayed without the stage: they
            are then the same at each step, on arrays that follow from the arguments and constants. So the stage keeps
            numbers only in ``state``, changes them in place, and takes no decision that depends on a number. A stage
            that does not set it keeps the steps in Python.
        moves_parameters: whether `before` changes the parameters too. Such a stage must come after every stage that
            combines several batches (``every``): otherwise it would act once per batch instead of once per step of
            the rule.
        every: the chain continues after this stage only at each ``every``-th step that reaches it, which then counts
            as one step of the rule. The other steps end with this stage's `before`.
        seeds: one seed per run, or one for all runs, given to `stack`. A stage's noise may depend on the seed and the
            step only.
    """

    needs_lr: ClassVar[bool] = False
    replayable: ClassVar[bool] = False
    moves_parameters: ClassVar[bool] = False
    every: int = 1
    seeds: Sequence[int] = (0,)

    def initial_state(self, parameters: Parameters) -> State:
        """Return the state before the first step: arrays with a leading runs axis."""
        return {}

    def first_act(self) -> int:
        """Return the number, from 1, of the step of the rule at which this stage first has an effect.

        A budget that ends earlier is rejected before training starts.
        """
        return 1

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Change ``gradients`` (or ``parameters``) in place before the rule is applied.

        Args:
            parameters: values of the R runs, ``flat`` of shape ``(R, size)``.
            gradients: as ``parameters``.
            state: this stage's own arrays, changed in place.
            lr: this step's learning rate, schedule included, shape ``(R, 1)``, in the parameters' dtype.
        """

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Change ``parameters`` in place after the rule was applied. Arguments as in `before`."""

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the parameters to evaluate and to save, ``(R, size)``, or None for the trained ones.

        Before each evaluation the model's buffers (batch norm's running statistics) are recomputed for these
        parameters on the training data; after it the trained model's buffers are restored.
        """
        return None
