"""Fashion-MNIST: articles of clothing."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from framework import Dataset, DatasetSpec, Layout, Raw, choice, hookimpl, text

from ._mnist_files import Source, stamp

_SOURCE = Source(
    "fashion_mnist",
    ("Fashion-MNIST", 1),
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


class FashionMnist(Dataset):
    """70,000 articles of clothing, 28 x 28 pixels, 10 classes.

    Inputs ``(28, 28, 1)``, labels 0 to 9. The raw pixels are 0 to 255; with ``scaling=none`` the network receives them
    divided by 255, as 0 to 1. The official 10,000 test images are the test split.

    The files are read from ``folder``. If it is null, they are searched in the folder that the environment variable
    ``FRAMEWORK_DATA`` names, then in the cache, and are else downloaded from OpenML into the cache.

    Raises ``InputError`` if files are missing or damaged, or the download fails.

    Source: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """

    downloads = True
    layout = Layout(60_000, 10_000, (28, 28, 1), classes=10)
    scaling: str = choice("none", ("standardize", "none"), help="none: pixels from 0 to 1")
    folder: str | None = text(None, help="folder of the IDX files; null: FRAMEWORK_DATA, the cache, or a download")

    def load(self) -> Raw:
        """Return all images in the files' order; errors as `_mnist_files.Source.load`."""
        return _SOURCE.load(self.folder)

    def stamp(self) -> Hashable:
        """Return path, modification time and size of the files; () if there are none."""
        return stamp(_SOURCE.find(self.folder))


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=fashion_mnist``."""
    yield DatasetSpec("fashion_mnist", FashionMnist)
