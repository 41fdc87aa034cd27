"""Base class of learning-rate schedules. A schedule multiplies ``lr``; it never replaces it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable, integer
from framework.base.numerics import pad_for_pow
from framework.errors import InputError


class Schedule(Configurable, ABC):
    """A factor on the learning rate for every step, with an optional linear warm-up before the schedule.

    With ``w = warmup_steps``, the factor at step ``t`` is ``min(t / w, 1) * factor(max(t - w, 1), total - w)``, and
    ``factor(t, total)`` without a warm-up.

    Attributes:
        needs_total: whether the schedule depends on the total number of steps, which must then be known.
    """

    needs_total: ClassVar[bool] = False
    warmup_steps: int = integer(0, at_least=0, help="linear warm-up before the schedule, in steps")

    def factors(self, steps: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors of ``steps`` (numbers from 1, shape ``(T,)``) as ``(T, R or 1, 1)`` float64.

        Args:
            steps: step numbers from 1.
            total: the number of steps in the whole budget, or None if only time limits it.

        Raises:
            InputError: ``total`` is None and the schedule needs it, or the warm-up is not shorter than ``total``.
        """
        if total is None and self.needs_total:
            raise InputError(f"schedule {self.label()} needs the total number of steps: set epochs or steps")
        if total is not None and self.warmup_steps >= total:
            raise InputError(
                f"schedule.warmup_steps={self.warmup_steps} must be less than the {total} steps of the budget: lower it"
            )
        t = pad_for_pow(steps.reshape(-1, 1, 1), (len(steps), len(self.rows), 1))
        warmup = float(self.warmup_steps)
        own = self.factor(np.maximum(t - warmup, 1.0), None if total is None else total - self.warmup_steps)
        ramp = np.minimum(t / warmup, 1.0) if warmup else np.ones_like(t)
        return np.asarray(own * ramp)[: len(steps)]

    @abstractmethod
    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``, in a shape that broadcasts to ``(T, R, 1)``.

        Args:
            t: step numbers from 1 after the warm-up, float64, shape ``(T, R, 1)``.
            total: the number of steps in the budget without the warm-up; an int if ``needs_total`` is set.
        """

    def initial_state(self, runs: int) -> dict[str, np.ndarray]:
        """Return the state of a schedule that depends on the validation loss: arrays with a leading runs axis."""
        return {}

    def observe(self, state: dict[str, np.ndarray], val_loss: np.ndarray) -> np.ndarray | None:
        """Return factors ``(R, 1)`` for the steps after an epoch, given its validation losses, or None.

        Args:
            state: this schedule's own arrays, changed in place.
            val_loss: shape ``(R,)``; NaN or infinite for a diverged run.
        """
        return None
