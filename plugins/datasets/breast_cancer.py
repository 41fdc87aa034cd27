"""Breast tumours, described by their cell nuclei."""

from __future__ import annotations

from collections.abc import Iterator

from framework import Dataset, DatasetSpec, Raw, hookimpl

from ._embedded import read_classes


class BreastCancer(Dataset):
    """569 tumours by 30 measures of cell nuclei, malignant or benign.

    Inputs ``(30,)``, labels 0 and 1. The data are read from the installed scikit-learn, never downloaded.

    Raises ``InputError`` if scikit-learn is not installed.

    Source: Street, Wolberg & Mangasarian 1993, the same numbers as ``sklearn.datasets.load_breast_cancer``.
    """

    def load(self) -> Raw:
        """Return all samples in the file's order; errors as `_embedded.path_of`."""
        return read_classes("breast_cancer.csv")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=breast_cancer``."""
    yield DatasetSpec("breast_cancer", BreastCancer)
