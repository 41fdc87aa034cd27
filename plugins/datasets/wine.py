"""Wines, described by chemical measures."""

from __future__ import annotations

from collections.abc import Iterator

from framework import Dataset, DatasetSpec, Raw, hookimpl

from ._embedded import read_classes


class Wine(Dataset):
    """178 wines by 13 chemical measures, 3 cultivars.

    Inputs ``(13,)``, labels 0 to 2. The data are read from the installed scikit-learn, never downloaded.

    Raises ``InputError`` if scikit-learn is not installed.

    Source: Forina et al. 1988 (UCI wine), the same numbers as ``sklearn.datasets.load_wine``.
    """

    def load(self) -> Raw:
        """Return all samples in the file's order; errors as `_embedded.path_of`."""
        return read_classes("wine_data.csv")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=wine``."""
    yield DatasetSpec("wine", Wine)
