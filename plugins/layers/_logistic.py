"""The logistic function, which several activations use."""

from __future__ import annotations

import math

import numpy as np


def logistic(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``1 / (1 + exp(-x))`` into ``out`` and return it.

    The relative error stays small down to the smallest numbers. ``out`` has the shape and dtype of ``x``.
    """
    largest = math.log(np.finfo(x.dtype).max) - 1.0  # exp of a larger number overflows with a warning
    np.negative(x, out=out)
    np.minimum(out, largest, out=out)
    np.exp(out, out=out)
    out += 1.0
    return np.reciprocal(out, out=out)
