"""What a learning-rate schedule subclasses. A schedule multiplies ``lr``; it never replaces it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable, integer
from framework.base.numerics import pad_for_pow
from framework.errors import InputError


class Schedule(Configurable, ABC):
    """A factor on the learning rate for every step, with an optional linear warm-up before it.

    During the first ``warmup_steps`` steps the factor climbs from ``1 / warmup_steps`` to 1 times the schedule's own
    first value; the schedule proper then starts at its own step 1 and sees a budget shortened by the warm-up.

    Attributes:
        needs_total: the schedule is laid out over the whole budget, which must then be known in steps.
    """

    needs_total: ClassVar[bool] = False
    warmup_steps: int = integer(0, at_least=0, help="linear warm-up before the schedule, in steps")

    def factors(self, steps: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors of ``steps`` (numbers from 1, shape ``(T,)``) as ``(T, R or 1, 1)`` float64.

        Args:
            steps: step numbers from 1.
            total: steps in the whole budget, or None where only time limits it.

        Raises:
            InputError: the schedule needs the budget in steps and there is none, or the warm-up fills it.
        """
        if total is None and self.needs_total:
            raise InputError(f"schedule {self.label()} is laid out over the whole budget: set epochs or steps")
        if total is not None and self.warmup_steps >= total:
            raise InputError(f"schedule.warmup_steps={self.warmup_steps} leaves nothing of the {total} steps: lower it")
        t = pad_for_pow(steps.reshape(-1, 1, 1), (len(steps), len(self.rows), 1))
        warmup = float(self.warmup_steps)
        own = self.factor(np.maximum(t - warmup, 1.0), None if total is None else total - self.warmup_steps)
        ramp = np.minimum(t / warmup, 1.0) if warmup else np.ones_like(t)
        return np.asarray(own * ramp)[: len(steps)]

    @abstractmethod
    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factor at steps ``t`` from 1, shape ``(T, R, 1)``.

        Args:
            t: float64 step numbers.
            total: steps in the schedule's part of the budget; an int wherever ``needs_total`` is set.
        """

    def initial_state(self, runs: int) -> dict[str, np.ndarray]:
        """Return per-run state for a schedule that watches the validation loss: arrays with a leading runs axis."""
        return {}

    def observe(self, state: dict[str, np.ndarray], val_loss: np.ndarray) -> np.ndarray | None:
        """Take the validation losses ``(R,)`` at an epoch's end; return factors ``(R, 1)`` for what follows, or None.

        Args:
            state: this schedule's own arrays, changed in place.
            val_loss: shape ``(R,)``; NaN or infinite where a run diverged.
        """
        return None
