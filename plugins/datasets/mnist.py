"""MNIST: handwritten digits."""

from __future__ import annotations

from collections.abc import Iterator

from framework import DatasetSpec, hookimpl

from ._mnist_files import MnistFiles, Source


class Mnist(MnistFiles):
    """70,000 handwritten digits, 28 x 28 pixels, 10 classes.

    Inputs ``(28, 28, 1)``, labels 0 to 9. The raw pixels are 0 to 255; with ``scaling=none`` the network receives them
    divided by 255, as 0 to 1. The official 10,000 test images are the test split.

    The files are read from ``folder``. If it is null, they are searched in the folder that the environment variable
    ``FRAMEWORK_DATA`` names, then in the cache, and are else downloaded from OpenML into the cache.

    Raises ``InputError`` if files are missing or damaged, or the download fails.

    Source: LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
    """

    source = Source("mnist", ("mnist_784", 1), tuple(str(digit) for digit in range(10)), loose=True)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=mnist``."""
    yield DatasetSpec("mnist", Mnist)
