"""The mean per run that all losses use."""

from __future__ import annotations

import numpy as np


def mean_of_runs(terms: np.ndarray) -> np.ndarray:
    """Return the mean per run of ``terms`` ``(R, ...)``, shape ``(R,)``, in the dtype of ``terms``.

    NumPy adds pairwise along the last, contiguous axis, so that the rounding error grows with the logarithm of the
    count. Each run is summed separately: its bits do not depend on the number of runs.
    """
    rows = terms.reshape(len(terms), -1)
    return np.asarray(np.add.reduce(rows, axis=1) / rows.dtype.type(rows.shape[1]))
