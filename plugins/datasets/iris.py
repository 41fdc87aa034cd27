"""Fisher's iris flowers."""

from __future__ import annotations

from collections.abc import Iterator

from framework import Dataset, DatasetSpec, Raw, hookimpl

from ._embedded import read_classes


class Iris(Dataset):
    """150 iris flowers by four lengths in cm, 3 species.

    Inputs ``(4,)``, labels 0 to 2. The data are read from the installed scikit-learn, never downloaded.

    Raises ``InputError`` if scikit-learn is not installed.

    Source: Fisher 1936, the same numbers as ``sklearn.datasets.load_iris``.
    """

    def load(self) -> Raw:
        """Return all samples in the file's order; errors as `_embedded.path_of`."""
        return read_classes("iris.csv")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=iris``."""
    yield DatasetSpec("iris", Iris)
