"""Decay with the inverse square root of the number of steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper


class InverseSqrt(Schedule):
    """Decay as one over the square root of the number of steps, without a fixed end.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        sqrt(timescale / (timescale + t - 1))

    The rate is halved after three timescales. No budget is needed.

    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 3.

    Differs from the paper: the factor is the paper's rate divided by its peak. With ``warmup_steps`` equal to the
    timescale it is the paper's schedule, one step later.
    """

    timescale: float = hyper(1000.0, above=0, prior="log", search=(10.0, 10_000.0), help="optimizer steps")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        return np.asarray(np.sqrt(self.timescale / (self.timescale + (t - 1))))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=inverse_sqrt``."""
    yield ScheduleSpec("inverse_sqrt", InverseSqrt)
