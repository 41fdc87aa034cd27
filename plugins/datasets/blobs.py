"""Clouds of points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, number, stream


class Blobs(Dataset):
    """Round clouds of points, one per class, around centres drawn in a cube.

    Inputs ``(features,)``, with z from N(0, 1), are::

        centre + noise z

    Each centre's coordinates are uniform in [-5, 5).
    """

    samples: int = integer(1000, at_least=10, help="points in all")
    features: int = integer(2, at_least=1, help="dimensions of a point")
    classes: int = integer(3, at_least=2, help="clouds")
    noise: float = number(1.0, at_least=0, help="standard deviation of a cloud")
    data_seed: int = integer(0, at_least=0, help="seed of the points; independent of split and run")

    def load(self) -> Raw:
        """Draw the points; classes take turns, so that they are of equal size."""
        centres = stream(self.data_seed, "blobs", "centres").uniform(-5, 5, (self.classes, self.features))
        labels = np.arange(self.samples) % self.classes
        scatter = stream(self.data_seed, "blobs", "points").standard_normal((self.samples, self.features))
        return Raw(Samples(centres[labels] + self.noise * scatter, labels), source="generated")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=blobs``."""
    yield DatasetSpec("blobs", Blobs)
