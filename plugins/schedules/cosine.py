"""Half a cosine wave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper

from ._budget import budget


class Cosine(Schedule):
    """Half a cosine wave from 1 to floor over the budget.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        floor + (1 - floor) (1 + cos(pi (t - 1) / total)) / 2

    total is the number of steps in the budget. The factor would reach ``floor`` one step after the last, so that no
    step is spent at a rate of 0; it stays there.

    Raises ``InputError`` if only time limits the budget.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts.

    Differs from torch's ``CosineAnnealingLR``: not at all, with ``T_max`` the budget and ``eta_min`` = floor x lr.
    """

    needs_total = True
    floor: float = hyper(
        0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.1), help="factor at the budget's end"
    )

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        steps = budget(self, total)
        wave = 0.5 * (1 + np.cos(np.pi * (np.minimum(t - 1, steps) / steps)))
        return np.asarray(self.floor + (1 - self.floor) * wave)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=cosine``."""
    yield ScheduleSpec("cosine", Cosine)
