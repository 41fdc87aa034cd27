"""Exponential decay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper


class Exponential(Schedule):
    """Multiply the learning rate by gamma at every optimizer step.

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        gamma^(t - 1)

    A gamma of 0.999 halves the rate every 693 steps. With a gamma above 1 the rate grows, as in a learning-rate range
    test. No budget is needed.

    Sources: torch's ``ExponentialLR``; Smith 2017, arXiv:1506.01186, section 3.3 (the range test).

    Differs from torch: steps are optimizer steps, not epochs.
    """

    gamma: float = hyper(0.999, above=0, prior="log 1-x", search=(0.99, 0.9999), help="factor per optimizer step")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return gamma^(t - 1)."""
        return np.asarray(self.gamma ** (t - 1))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=exponential``."""
    yield ScheduleSpec("exponential", Exponential)
