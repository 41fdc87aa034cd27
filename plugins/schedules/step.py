"""Drops at equal distances."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper, integer

from ._budget import budget


class Step(Schedule):
    """Multiply the learning rate by gamma after every step_size optimizer steps.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        gamma^floor((t - 1) / step_size)

    For drops by epochs, set step_size to epochs times batches per epoch. If step_size is null, it is a third of the
    budget, rounded up.

    Raises ``InputError`` if ``step_size`` is null and only time limits the budget.

    Source: torch's ``StepLR``.

    Differs from torch: step_size counts optimizer steps, not epochs.
    """

    step_size: int | None = integer(None, at_least=1, help="optimizer steps between drops; null: a third of the budget")
    gamma: float = hyper(0.1, above=0, at_most=1, prior="log", search=(0.01, 0.9), help="factor of each drop")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return gamma to the number of drops so far."""
        size = self.step_size or math.ceil(budget(self, total, "step_size") / 3)
        return np.asarray(self.gamma ** np.floor((t - 1) / size))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=step``."""
    yield ScheduleSpec("step", Step)
