"""Two interleaved half circles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, number, stream


class Moons(Dataset):
    """Two interleaved half circles in the plane: not separable by a line.

    The inputs ``(2,)``, with a evenly spaced from 0 to pi, are::

        (cos a, sin a)                          class 0
        (1 - cos a, 1/2 - sin a)                class 1

    plus noise z, with z from N(0, 1) per coordinate. Half of the points are class 0; an odd one is class 1.
    """

    samples: int = integer(1000, at_least=10, help="points in all")
    noise: float = number(0.1, at_least=0, help="standard deviation around the half circles")
    data_seed: int = integer(0, at_least=0, help="seed of the points; independent of split and run")

    def load(self) -> Raw:
        """Return the points, class 0 first."""
        upper = np.linspace(0, np.pi, self.samples // 2)
        lower = np.linspace(0, np.pi, self.samples - self.samples // 2)
        points = np.concatenate(
            [
                np.stack([np.cos(upper), np.sin(upper)], axis=1),
                np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
            ]
        )
        points += self.noise * stream(self.data_seed, "moons").standard_normal(points.shape)
        labels = np.repeat([0, 1], [len(upper), len(lower)])
        return Raw(Samples(points, labels), source="generated")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=moons``."""
    yield DatasetSpec("moons", Moons)
