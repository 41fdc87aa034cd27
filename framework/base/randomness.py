"""Random streams keyed by what they are for, never by where a run stands in a population.

Initialisation, data order and noise depend on the run's seed alone: two optimizers started from one seed see the
same weights and the same batches, and a run keeps its numbers in any company and after a resume.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the generator of ``seed`` for ``purpose``, such as ``stream(0, "order", epoch)``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def normal(seeds: Sequence[int], size: int, *purpose: str | int) -> np.ndarray:
    """Return standard normal numbers for each run, float64, shape ``(R, size)``, or ``(1, size)`` for one seed.

    Args:
        seeds: one a run.
        size: numbers a run.
        *purpose: what they are for, as in `stream`.
    """
    groups = SeedGroups(seeds)
    return groups.spread(np.stack([stream(seed, *purpose).standard_normal(size) for seed in groups.seeds]))


class SeedGroups:
    """The runs of a population grouped by seed, so that what depends on the seed alone is made once a seed.

    Attributes:
        seeds: the distinct seeds, in order of first appearance.
        which: for each run the place of its seed in ``seeds``, shape ``(R,)``.
        shared: whether all runs have one seed.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(dict.fromkeys(seeds))
        place = {seed: i for i, seed in enumerate(self.seeds)}
        self.which = np.array([place[seed] for seed in seeds], dtype=np.intp)
        self.shared = len(self.seeds) == 1

    def spread(self, per_seed: np.ndarray) -> np.ndarray:
        """Return ``per_seed`` (one row a distinct seed) as one row a run; one shared row stays one row."""
        return per_seed if self.shared else per_seed[self.which]


class Noise:
    """Uniform random numbers for one layer, one stream a run, restarted at each epoch."""

    def __init__(self, groups: SeedGroups, name: str) -> None:
        self._groups = groups
        self._name = name
        self.begin(0)

    def begin(self, epoch: int, purpose: str = "noise") -> None:
        """Restart the streams for ``epoch``; a resumed run draws what an unbroken one would have drawn.

        Args:
            epoch: from 1.
            purpose: streams of another purpose are independent of the training's.
        """
        self._streams = [stream(seed, purpose, self._name, epoch) for seed in self._groups.seeds]

    def uniform(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return numbers in [0, 1), shape ``(R or 1, *shape)``: one row where all runs share one seed."""
        drawn = np.stack([generator.random(shape, dtype=dtype) for generator in self._streams])
        return self._groups.spread(drawn)
