"""Arms of a spiral."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, number, stream


class Spirals(Dataset):
    """Arms of a spiral that wind around each other, one per class: hard for shallow networks.

    The inputs ``(2,)``, with r evenly spaced in (0, 1] and class 0 to classes - 1, are::

        a = 2 pi (turns r + class / classes)
        (r cos a, r sin a)

    plus noise z, with z from N(0, 1) per coordinate. Labels alternate, so that the numbers of points per class differ
    by at most one.
    """

    samples: int = integer(1000, at_least=10, help="points in all")
    classes: int = integer(2, at_least=2, help="arms")
    turns: float = number(1.5, above=0, help="turns of each arm")
    noise: float = number(0.02, at_least=0, help="standard deviation around the arms")
    data_seed: int = integer(0, at_least=0, help="seed of the points; independent of split and run")

    def load(self) -> Raw:
        """Return the points from the centre outwards; labels alternate."""
        places = np.arange(self.samples)
        labels = places % self.classes
        radius = (places // self.classes + 1) / (places[-1] // self.classes + 1)
        angle = 2 * np.pi * (self.turns * radius + labels / self.classes)
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points += self.noise * stream(self.data_seed, "spirals").standard_normal(points.shape)
        return Raw(Samples(points, labels), source="generated")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=spirals``."""
    yield DatasetSpec("spirals", Spirals)
