"""Random streams keyed by seed and purpose, never by a run's position in a population.

Initialisation, data order and noise depend on the run's seed alone: two optimizers with the same seed get the same
initial weights and the same batches, and a run's random numbers are the same in any population and after a resume.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the random generator of ``seed`` for ``purpose``, as in ``stream(0, "order", epoch)``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def normal(seeds: Sequence[int], size: int, *purpose: str | int) -> np.ndarray:
    """Return standard normal numbers for each run, float64, shape ``(R, size)``, or ``(1, size)`` for one seed.

    Args:
        seeds: one seed per run.
        size: the number of random numbers per run.
        *purpose: the key of the stream, as in `stream`.
    """
    groups = SeedGroups(seeds)
    return groups.spread(np.stack([stream(seed, *purpose).standard_normal(size) for seed in groups.seeds]))


class SeedGroups:
    """The runs of a population grouped by seed: data that depend on the seed alone are computed once per seed.

    Attributes:
        seeds: the distinct seeds, in order of first appearance.
        which: for each run the index of its seed in ``seeds``, shape ``(R,)``.
        shared: whether all runs have the same seed.

    Args:
        seeds: one seed per run, or one for all runs.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(dict.fromkeys(seeds))
        index = {seed: i for i, seed in enumerate(self.seeds)}
        self.which = np.array([index[seed] for seed in seeds], dtype=np.intp)
        self.shared = len(self.seeds) == 1

    def spread(self, per_seed: np.ndarray) -> np.ndarray:
        """Return ``per_seed`` (one row per distinct seed) with one row per run; a single shared row stays single."""
        return per_seed if self.shared else per_seed[self.which]


class Noise:
    """Uniform random numbers for one layer, from one stream per distinct seed, restarted at each epoch.

    Args:
        groups: the runs grouped by seed.
        name: the layer's name, part of the stream's key.
    """

    def __init__(self, groups: SeedGroups, name: str) -> None:
        self._groups = groups
        self._name = name
        self.begin(0)

    def begin(self, epoch: int, purpose: str = "noise") -> None:
        """Restart the streams for ``epoch``, so that a resumed run draws the same numbers as an uninterrupted one.

        Args:
            epoch: the number of the epoch, from 1.
            purpose: part of the stream's key; streams of another purpose are independent of those for training.
        """
        self._streams = [stream(seed, purpose, self._name, epoch) for seed in self._groups.seeds]

    def uniform(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return random numbers in [0, 1), shape ``(R or 1, *shape)``: 1 if all runs share one seed."""
        drawn = np.stack([generator.random(shape, dtype=dtype) for generator in self._streams])
        return self._groups.spread(drawn)
