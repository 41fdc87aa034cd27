"""Columns and step numbers laid out so that powers of them have the same bits in any population."""

from __future__ import annotations

import numpy as np


def pad_for_pow(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return ``values`` as a float64 array of its own of ``shape``, but of at least two along the first axis.

    NumPy squares where an exponent of 2 is one number that serves a whole loop, and calls ``pow`` where exponents lie
    side by side: for ``beta**t`` the last bit would depend on how many runs and steps are asked for. With at least two
    numbers side by side it is ``pow``, always. A single step is therefore given twice; the caller drops the second.
    """
    made = np.empty((max(2, shape[0]), *shape[1:]), dtype=np.float64)
    made[...] = values
    return made
