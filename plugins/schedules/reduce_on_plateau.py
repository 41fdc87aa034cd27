"""Reduction of the learning rate when the validation loss stops improving."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Schedule, ScheduleSpec, hookimpl, hyper, integer


class ReduceOnPlateau(Schedule):
    """Multiply the rate by gamma if the validation loss has not improved for more than patience epochs, per run.

    An epoch improves the loss of a run if::

        val/loss < best (1 - threshold)

    After more than ``patience`` epochs in a row without an improvement, the factor is multiplied by gamma, but is at
    least min_factor, and the next ``cooldown`` epochs do not count as epochs without improvement. A loss of NaN is no
    improvement. The factor is 1 at first; no budget is needed.

    Source: torch's ``ReduceLROnPlateau`` in modes min and rel.

    Differs from torch: ``gamma`` is torch's ``factor``, ``min_factor`` its ``min_lr`` over lr, and there is no ``eps``.
    """

    gamma: float = hyper(0.1, above=0, below=1, prior="log", search=(0.1, 0.9), help="factor of each drop")
    patience: int = integer(10, at_least=0, help="epochs without improvement that are allowed")
    threshold: float = hyper(
        1e-4, at_least=0, below=1, prior="log", search=(1e-5, 1e-2), help="smallest relative improvement"
    )
    cooldown: int = integer(0, at_least=0, help="epochs after a drop that are not counted")
    min_factor: float = hyper(0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.1), help="lowest factor")

    def factor(self, t: np.ndarray, total: int | None) -> np.ndarray:
        """Return 1 at every step; `observe` returns the factors."""
        return np.ones_like(t)

    def initial_state(self, runs: int) -> dict[str, np.ndarray]:
        """Return the best loss, the epochs in a row without improvement, the cooldown epochs left, and the factor.

        Each is ``(R, 1)``.
        """
        return {
            "best": np.full((runs, 1), np.inf),
            "bad": np.zeros((runs, 1)),
            "rest": np.zeros((runs, 1)),
            "scale": np.ones((runs, 1)),
        }

    def observe(self, state: dict[str, np.ndarray], val_loss: np.ndarray) -> np.ndarray:
        """Update ``state`` in place with an epoch's validation losses ``(R,)``; return the factors ``(R, 1)``."""
        loss = val_loss[:, None].astype(np.float64)
        best, bad, rest, scale = (state[name] for name in ("best", "bad", "rest", "scale"))
        good = loss < best * (1 - self.threshold)  # false for NaN
        best[...] = np.where(good, loss, best)
        bad[...] = np.where(good | (rest > 0), 0, bad + 1)
        rest[...] = np.maximum(rest - 1, 0)
        drop = bad > self.patience
        scale[...] = np.where(drop, np.maximum(scale * self.gamma, self.min_factor), scale)
        rest[...] = np.where(drop, self.cooldown, rest)
        bad[...] = np.where(drop, 0, bad)
        return scale


@hookimpl
def register_schedules() -> Iterator[ScheduleSpec]:
    """Provide ``schedule=reduce_on_plateau``."""
    yield ScheduleSpec("reduce_on_plateau", ReduceOnPlateau)
