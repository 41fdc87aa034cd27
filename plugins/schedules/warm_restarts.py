"""Cosine decay with warm restarts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper, integer

from ._budget import budget

DEFAULT_CYCLES = 3


class WarmRestarts(Schedule):
    """Half cosine waves from 1 to floor with restarts, each multiplier times as long as the last (SGDR).

    The factor on the learning rate, with s the steps since the last restart and n the length of the cycle, is::

        floor + (1 - floor) (1 + cos(pi s / n)) / 2

    For a period in epochs, multiply by the number of batches per epoch. If the period is null, three cycles, rounded to
    whole steps, fill the budget.

    Raises ``InputError`` if ``period`` is null and only time limits the budget.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5.

    Differs from torch's ``CosineAnnealingWarmRestarts``: the period counts optimizer steps, not epochs.
    """

    period: int | None = integer(None, at_least=1, help="steps of the first cycle; null: three cycles fill the budget")
    multiplier: int = integer(2, at_least=1, help="how many times as long each cycle is as the one before")
    floor: float = hyper(0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.1), help="factor at a cycle's end")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        s = t - 1
        if self.period is None:
            bounds = self._three_cycles(budget(self, total, "period"))
            s = np.minimum(s, bounds[-1])
        else:
            s = s % self.period if self.multiplier == 1 else s
            bounds = self._cycles(self.period, s.max())
        cycle = np.minimum(np.searchsorted(bounds, s, side="right"), len(bounds) - 1)
        start, end = bounds[cycle - 1], bounds[cycle]
        wave = 0.5 * (1 + np.cos(np.pi * ((s - start) / (end - start))))
        return np.asarray(self.floor + (1 - self.floor) * wave)

    def _three_cycles(self, total: int) -> np.ndarray:
        """Return the bounds of the cycles that fill the budget, rounded to whole steps."""
        lengths = [float(self.multiplier) ** cycle for cycle in range(DEFAULT_CYCLES)]
        bounds = np.rint(total * (np.cumsum([0.0, *lengths]) / sum(lengths)))
        return np.unique(bounds)  # in a budget of a few steps some cycles have length 0

    def _cycles(self, period: int, last: float) -> np.ndarray:
        """Return the bounds of the cycles, the first of length ``period``, until one is above ``last``."""
        bounds = [0, period]
        while bounds[-1] <= last:
            bounds.append(bounds[-1] * self.multiplier + period)
        return np.array(bounds, dtype=np.float64)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=warm_restarts``."""
    yield ScheduleSpec("warm_restarts", WarmRestarts)
