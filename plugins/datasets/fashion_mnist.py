"""Fashion-MNIST: articles of clothing."""

from __future__ import annotations

from collections.abc import Iterator

from framework import DatasetSpec, hookimpl

from ._mnist_files import MnistFiles, Source


class FashionMnist(MnistFiles):
    """70,000 articles of clothing, 28 x 28 pixels, 10 classes.

    Inputs ``(28, 28, 1)``, labels 0 to 9. The raw pixels are 0 to 255; with ``scaling=none`` the network receives them
    divided by 255, as 0 to 1. The official 10,000 test images are the test split.

    The files are read from ``folder``. If it is null, they are searched in the folder that the environment variable
    ``FRAMEWORK_DATA`` names, then in the cache, and are else downloaded from OpenML into the cache.

    Raises ``InputError`` if files are missing or damaged, or the download fails.

    Source: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """

    source = Source(
        "fashion_mnist",
        ("Fashion-MNIST", 1),
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=fashion_mnist``."""
    yield DatasetSpec("fashion_mnist", FashionMnist)
