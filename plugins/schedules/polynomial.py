"""Decay with a power of the remaining budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper

from ._budget import budget


class Polynomial(Schedule):
    """Decay from 1 to end, as a power of the remaining share of the budget.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        end + (1 - end) (1 - (t - 1) / total)^power

    total is the number of steps in the budget. The factor would reach ``end`` one step after the last, so that no step
    is spent at a rate of 0.

    Raises ``InputError`` if only time limits the budget.

    Source: torch's ``PolynomialLR``.

    Differs from torch: the last factor is ``end``; in torch it is always 0.
    """

    needs_total = True
    power: float = hyper(1.0, at_least=0, prior="log", search=(0.5, 4.0), help="1 is a straight line")
    end: float = hyper(0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.1), help="factor at the budget's end")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors; from the budget's end on, ``end``."""
        steps = budget(self, total)
        left = 1 - np.minimum(t - 1, steps) / steps
        power = self.power + np.zeros_like(left)  # in the shape of left: see framework.base.numerics
        return np.asarray(self.end + (1 - self.end) * left**power)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=polynomial``."""
    yield ScheduleSpec("polynomial", Polynomial)
