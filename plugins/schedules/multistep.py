"""Drops at given steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper, integers

from ._budget import budget


class MultiStep(Schedule):
    """Multiply the learning rate by gamma after each milestone.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        gamma^(number of milestones m with m <= t - 1)

    Step m is the last before the drop. For milestones in epochs, multiply by the number of batches per epoch. If there
    are no milestones, the rate drops after half and three quarters of the budget.

    Raises ``InputError`` if there are no milestones and only time limits the budget.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2 (after 32k and 48k of 64k steps).

    Differs from torch's ``MultiStepLR``: milestones count optimizer steps, not epochs.
    """

    milestones: tuple[int, ...] = integers(
        (), at_least=1, help="steps after which to drop; empty: 1/2 and 3/4 of the budget"
    )
    gamma: float = hyper(0.1, above=0, at_most=1, prior="log", search=(0.01, 0.9), help="factor of each drop")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return gamma to the number of milestones passed."""
        milestones: np.ndarray = np.sort(self.milestones)
        if not self.milestones:
            milestones = np.array([0.5, 0.75]) * budget(self, total, "milestones")
        return np.asarray(self.gamma ** np.searchsorted(milestones, t - 1, side="right"))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=multistep``."""
    yield ScheduleSpec("multistep", MultiStep)
