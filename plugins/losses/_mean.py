"""The mean that all losses share."""

from __future__ import annotations

import numpy as np


def mean_of_runs(terms: np.ndarray) -> np.ndarray:
    """Return each run's mean over all else: ``(R, ...)`` to ``(R,)``, in the terms' dtype.

    NumPy adds along the last, contiguous axis pairwise, so that the rounding error grows with the logarithm of the
    count, and each run's sum is its own: its bits do not depend on the number of runs.
    """
    rows = terms.reshape(len(terms), -1)
    return np.asarray(np.add.reduce(rows, axis=1) / rows.dtype.type(rows.shape[1]))
