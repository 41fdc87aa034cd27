"""Warm-up, constant rate and decay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from framework import Schedule, ScheduleSpec, choice, hookimpl, hyper

from ._budget import budget

SHAPES = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + np.cos(np.pi * done)),
    "sqrt": lambda done: 1 - np.sqrt(done),
}
"""Functions of the share of the decay that is done: they fall from 1 at 0 to 0 at 1."""


class WarmupStableDecay(Schedule):
    """Warm up linearly, keep the full rate, decay to floor at the end.

    The factor on the learning rate, with w the warm-up in steps and u the share of the decay that is done, is::

        t / w                                   during the first warmup_share of the budget
        1                                       until the last decay_share of it
        1 - (1 - floor) u                       ``linear``
        floor + (1 - floor) (1 + cos(pi u)) / 2 ``cosine``
        1 - (1 - floor) sqrt(u)                 ``sqrt``

    The factor would reach ``floor`` one step after the last, so that no step is spent at a rate of 0. The shares must
    not exceed 1 together, and ``warmup_steps`` must be 0 unless ``warmup_share`` is.

    Raises ``InputError`` if only time limits the budget.

    Sources: Hu et al. 2024 (MiniCPM), arXiv:2404.06395, section 4; Hägele et al. 2024, arXiv:2405.18392 (the shapes).
    """

    needs_total = True
    warmup_share: float = hyper(
        0.05, at_least=0, at_most=1, prior="linear", search=(0.0, 0.2), help="share of the budget"
    )
    decay_share: float = hyper(
        0.2, at_least=0, at_most=1, prior="linear", search=(0.1, 0.5), help="share of the budget"
    )
    decay_shape: str = choice("linear", tuple(SHAPES), help="shape of the decay")
    floor: float = hyper(
        0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.1), help="factor at the budget's end"
    )

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return a message if the shares exceed 1 together or there are two warm-ups, else None."""
        if values["warmup_share"] + values["decay_share"] > 1 + 1e-12:
            return "warmup_share and decay_share together exceed the budget: their sum must be at most 1"
        if values["warmup_steps"] and values["warmup_share"]:
            return "warmup_steps and warmup_share would warm up twice: set one of them to 0"
        return None

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return the factors at steps ``t``."""
        steps = budget(self, total)
        ramp = np.minimum(t / np.maximum(self.warmup_share * steps, 1), 1)
        decay = self.decay_share * steps
        done = np.clip((t - 1 - (steps - decay)) / np.where(decay > 0, decay, 1), 0, 1)
        falling = self.floor + (1 - self.floor) * SHAPES[self.decay_shape](done)
        return np.asarray(ramp * np.where(decay > 0, falling, 1))


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=warmup_stable_decay``."""
    yield ScheduleSpec("warmup_stable_decay", WarmupStableDecay)
