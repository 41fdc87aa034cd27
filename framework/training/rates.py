"""The learning rate of each step: the optimizer's, times the schedule's factor."""

from __future__ import annotations

import numpy as np

from framework.base.optimizer import Optimizer
from framework.base.parameters import State
from framework.base.schedule import Schedule

LOOKED_AHEAD = 10_000
"""Number of steps that are searched for an effect of the schedule."""


class Rates:
    """The factors on the learning rate of R runs.

    Args:
        optimizer: the rule.
        schedule: the schedule, or None for a constant rate.
        total: steps in the budget, or None if only time limits it.
        runs: number of runs.

    Attributes:
        state: the schedule's own arrays by name.
        scale: the factor that the schedule computed from the validation losses, ``(R, 1)``.

    Raises:
        InputError: the schedule does not fit the budget, as for `Schedule.factors`.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule | None, total: int | None, runs: int) -> None:
        self._lr: np.ndarray | None = getattr(optimizer, "lr", None) if "lr" in optimizer.fields else None
        self._schedule = schedule
        self._total = total
        self.state: State = schedule.initial_state(runs) if schedule else {}
        self.scale = np.ones((runs, 1))
        ahead = self._own_factors(np.arange(1, min(total or LOOKED_AHEAD, LOOKED_AHEAD) + 1))
        self.constant = not self.state and bool((ahead == 1.0).all())
        """Whether the schedule has no effect."""

    def _own_factors(self, steps: np.ndarray) -> np.ndarray:
        return self._schedule.factors(steps, self._total) if self._schedule else np.ones((len(steps), 1, 1))

    def factors(self, steps: np.ndarray) -> np.ndarray:
        """Return the factors of ``steps`` (numbers from 1, shape ``(T,)``), shape ``(T, R, 1)``."""
        return self._own_factors(steps) * self.scale

    def first_factor(self, every: int) -> np.ndarray:
        """Return the factor ``(R or 1, 1)`` of the rule's first step, which is the ``every``-th step of the run."""
        return self._own_factors(np.array([min(every, self._total or every)]))[0]

    def observe(self, val_loss: np.ndarray) -> bool:
        """Pass the validation losses ``(R,)`` of an epoch to the schedule; return whether it set ``scale``."""
        scale = self._schedule.observe(self.state, val_loss) if self._schedule else None
        if scale is None:
            return False
        self.scale[...] = scale
        return True

    def at(self, t: int) -> np.ndarray | None:
        """Return the learning rates ``(R,)`` at step ``t``, schedule included; None if the optimizer has none."""
        if self._lr is None:
            return None
        return np.broadcast_to((self._lr * self.factors(np.array([t])))[0, :, 0], (len(self.scale),))

    def table(self, factors: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return the learning rates for ``factors``, ``(T, R, 1)`` in ``dtype``; zeros if the optimizer has none."""
        shape = (len(factors), len(self.scale), 1)
        return np.broadcast_to(np.zeros(()) if self._lr is None else self._lr * factors, shape).astype(dtype)
