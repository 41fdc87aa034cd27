"""One rise and one fall of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, choice, hookimpl, hyper

from ._budget import budget


class OneCycle(Schedule):
    """Rise to the full learning rate, then fall to nearly 0, once over the budget.

    The factor on the learning rate, interpolated between three points by ``anneal_strategy``, is::

        1 / div_factor                          at the first step
        1                                       after the first pct_start of the budget
        1 / (div_factor final_div_factor)       at the last step

    The momentum is not changed.

    Raises ``InputError`` if only time limits the budget.

    Source: Smith & Topin 2018, arXiv:1708.07120, section 3.

    Differs from torch's ``OneCycleLR`` with two phases: torch cycles the momentum too; its ``max_lr`` is ``lr`` here.
    """

    needs_total = True
    pct_start: float = hyper(0.3, at_least=0, at_most=1, prior="linear", search=(0.1, 0.5), help="share of the rise")
    div_factor: float = hyper(25.0, at_least=1, prior="log", search=(5.0, 100.0), help="peak factor / first factor")
    final_div_factor: float = hyper(1e4, at_least=1, prior="log", search=(1e2, 1e5), help="first factor / last factor")
    anneal_strategy: str = choice("cos", ("cos", "linear"), help="shape of the rise and the fall")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        last = budget(self, total) - 1
        peak = self.pct_start * (last + 1) - 1
        s = np.minimum(t - 1, last)
        first = 1 / self.div_factor
        up = self._between(first, 1.0, s / np.where(peak == 0, 1, peak))
        down = self._between(1.0, first / self.final_div_factor, (s - peak) / np.where(last == peak, 1, last - peak))
        return np.asarray(np.where(s <= peak, up, down))

    def _between(self, start: np.ndarray | float, end: np.ndarray | float, done: np.ndarray) -> np.ndarray:
        if self.anneal_strategy == "linear":
            return np.asarray(start + (end - start) * done)
        return np.asarray(end + (start - end) * 0.5 * (1 + np.cos(np.pi * done)))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=one_cycle``."""
    yield ScheduleSpec("one_cycle", OneCycle)
