"""The logistic function, for the activations that are made of it."""

from __future__ import annotations

import math

import numpy as np


def logistic(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``1 / (1 + exp(-x))`` into ``out`` and return it; exact in relative terms down to the smallest numbers."""
    largest = math.log(np.finfo(x.dtype).max) - 1.0  # exp of more overflows, with a warning
    np.negative(x, out=out)
    np.minimum(out, largest, out=out)
    np.exp(out, out=out)
    out += 1.0
    return np.reciprocal(out, out=out)
