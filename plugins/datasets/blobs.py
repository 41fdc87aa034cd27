"""Clusters of points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, number, stream


class Blobs(Dataset):
    """Round clouds of points, one per class, around random centres in a cube.

    The inputs ``(features,)``, with z from N(0, 1), are::

        centre + noise z

    The coordinates of each centre are uniform in [-5, 5). The labels are 0 to classes - 1, in turn, so that the numbers
    of points per class differ by at most one.
    """

    samples: int = integer(1000, at_least=10, help="points in all")
    features: int = integer(2, at_least=1, help="dimensions of a point")
    classes: int = integer(3, at_least=2, help="clouds")
    noise: float = number(1.0, at_least=0, help="standard deviation of a cloud")
    data_seed: int = integer(0, at_least=0, help="seed of the points; independent of split and run")

    def load(self) -> Raw:
        """Return the points; labels alternate, so that the classes have equal sizes up to one point."""
        centres = stream(self.data_seed, "blobs", "centres").uniform(-5, 5, (self.classes, self.features))
        labels = np.arange(self.samples) % self.classes
        scatter = stream(self.data_seed, "blobs", "points").standard_normal((self.samples, self.features))
        return Raw(Samples(centres[labels] + self.noise * scatter, labels), source="generated")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=blobs``."""
    yield DatasetSpec("blobs", Blobs)
