"""The 8 x 8 handwritten digits that ship with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Dataset, DatasetSpec, Raw, Samples, choice, hookimpl

from ._embedded import read_numbers


class Digits(Dataset):
    """1,797 handwritten digits, 8 x 8 pixels, 10 classes: the default data set.

    Inputs ``(8, 8, 1)``, labels 0 to 9. The raw pixels are 0 to 16; with ``scaling=none`` the network receives them
    divided by 16, as 0 to 1. The data are read from the installed scikit-learn, never downloaded.

    Raises ``InputError`` if scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits" (its test set), the same numbers as
    ``sklearn.datasets.load_digits``.
    """

    scaling: str = choice("none", ("standardize", "none"), help="none: pixels from 0 to 1")

    def load(self) -> Raw:
        """Return all digits in the file's order; errors as `_embedded.path_of`."""
        table = read_numbers("digits.csv.gz", ",").astype(np.uint8)
        samples = Samples(table[:, :64].reshape(-1, 8, 8, 1), table[:, 64].astype(np.intp))
        names = tuple(str(digit) for digit in range(10))
        return Raw(samples, class_names=names, source="scikit-learn digits.csv.gz", full_scale=16)


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Register ``dataset=digits``."""
    yield DatasetSpec("digits", Digits)
