"""Per-channel sums and per-channel columns over activations whose last axis is the channel.

A channel axis is often short (8, 16), and NumPy has a fixed cost per inner loop. The last two axes of an image are
therefore treated as one long row: a column is repeated along it, and sums run over rows first.
"""

from __future__ import annotations

import math

import numpy as np


def as_rows(x: np.ndarray) -> np.ndarray:
    """Return activations ``(lead, B, ..., C)`` as ``(lead, n, width)``: width is C, or W * C for images."""
    width = math.prod(x.shape[-2:]) if x.ndim > 3 else x.shape[-1]
    return x.reshape(len(x), -1, width)


def spread(columns: np.ndarray, width: int) -> np.ndarray:
    """Return per-channel numbers ``(lead, C)``, repeated to ``(lead, 1, width)``: the layout of `as_rows`."""
    return np.tile(columns, width // columns.shape[1])[:, None, :]


def totals(rows: np.ndarray, channels: int) -> np.ndarray:
    """Return the sums per channel, ``(lead, C)``, of an array in the layout of `as_rows`."""
    return rows.sum(axis=1).reshape(len(rows), -1, channels).sum(axis=1)
