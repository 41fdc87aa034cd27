"""Progression of diabetes."""

from __future__ import annotations

from collections.abc import Iterator

from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl

from ._embedded import read_numbers


class Diabetes(Dataset):
    """442 patients by 10 measures; predict the disease's progress after a year (regression).

    Inputs ``(10,)`` in their own units, targets ``(1,)`` from 25 to 346. The data are read from the installed
    scikit-learn, never downloaded.

    Raises ``InputError`` if scikit-learn is not installed.

    Source: Efron et al. 2004, "Least angle regression"; the same numbers as
    ``sklearn.datasets.load_diabetes(scaled=False)``.
    """

    task = "regression"

    def load(self) -> Raw:
        """Return all patients in the file's order; errors as `_embedded.path_of`."""
        name = "diabetes_data_raw.csv.gz"
        samples = Samples(read_numbers(name), read_numbers("diabetes_target.csv.gz"))
        return Raw(samples, source=f"scikit-learn {name}")


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=diabetes``."""
    yield DatasetSpec("diabetes", Diabetes)
