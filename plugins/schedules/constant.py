"""The constant learning rate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl


class Constant(Schedule):
    """Keep the learning rate constant (after the warm-up, if any).

    The factor on the learning rate at step t (from 1, after the warm-up) is::

        1

    Source: torch's ``ConstantLR`` with a factor of 1.
    """

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return 1 at every step."""
        return np.ones_like(t)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=constant``."""
    yield ScheduleSpec("constant", Constant)
