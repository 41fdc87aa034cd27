"""Linear interpolation between two factors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper, integer

from ._budget import budget


class Linear(Schedule):
    """Change the factor linearly from start_factor to end_factor, then keep it.

    The factor on the learning rate at step t (from 1, after the warm-up), with n = ``total_steps`` (by default the
    whole budget), is::

        start_factor + (end_factor - start_factor) min(t - 1, n) / n

    The factor reaches ``end_factor`` at step n + 1, so that no step of the budget is spent at a rate of 0.

    Raises ``InputError`` if ``total_steps`` is null and only time limits the budget.

    Source: torch's ``LinearLR``.

    Differs from torch: torch's defaults (1/3 to 1 over 5 steps) are a warm-up; the defaults here decay to 0.
    """

    start_factor: float = hyper(1.0, at_least=0, prior="linear", help="factor at step 1")
    end_factor: float = hyper(0.0, at_least=0, prior="linear", search=(0.0, 0.1), help="factor after total_steps")
    total_steps: int | None = integer(None, at_least=1, help="optimizer steps of the line; null: the whole budget")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        steps = self.total_steps or budget(self, total, "total_steps")
        done = np.minimum(t - 1, steps) / steps
        return np.asarray(self.start_factor + (self.end_factor - self.start_factor) * done)


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=linear``."""
    yield ScheduleSpec("linear", Linear)
