"""A constant factor every step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework.fields import hyper
from framework.hookspecs import hookimpl
from framework.schedule import Schedule
from framework.specs import ScheduleSpec


class Exponential(Schedule):
    """Times gamma every optimizer step.

    gamma^(t - 1): torch's ``ExponentialLR``, counted in optimizer steps: 0.999 halves the rate every 693 steps. A
    gamma above 1 lets the rate grow, as a learning-rate range test does (Smith 2017, arXiv:1506.01186, section 3.3).
    """

    gamma: float = hyper(0.999, above=0, prior="log 1-x", search=(0.99, 0.9999), help="what each step multiplies with")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return gamma^(t - 1)."""
        return np.asarray(self.gamma ** (t - 1))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=exponential``."""
    yield ScheduleSpec("exponential", Exponential)
