"""Square windows over images: their number, and all windows as one matrix per run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from framework import InputError, Shape

Scratch = Callable[[str, Shape, Any], np.ndarray]


def image_shape(shape: Shape, layer: str) -> tuple[int, int, int]:
    """Return ``shape`` as (height, width, channels).

    Raises:
        InputError: the shape does not have three axes; the message names ``layer``.
    """
    if len(shape) != 3:
        raise InputError(
            f"{layer} takes images (height, width, channels) but gets {shape}: put reshape with three numbers before it"
        )
    height, width, channels = shape
    return height, width, channels


def steps(extent: int, size: int, stride: int) -> int:
    """Return how many windows of ``size`` fit in ``extent`` pixels, ``stride`` apart; 0 if none fits."""
    return max((extent - size) // stride + 1, 0)


def taps(x: np.ndarray, row: int, column: int, stride: int, windows: tuple[int, int]) -> np.ndarray:
    """Return the view of ``x`` with one pixel of each window, ``(lead, B, H', W', C)``.

    Args:
        x: images ``(lead, B, H, W, C)``.
        row: the pixel's row within its window, from 0.
        column: the pixel's column within its window, from 0.
        stride: pixels from one window to the next.
        windows: H' and W', the numbers of windows along each axis.
    """
    height, width = windows
    return x[:, :, row : row + stride * (height - 1) + 1 : stride, column : column + stride * (width - 1) + 1 : stride]


def gather(x: np.ndarray, size: int, stride: int, windows: tuple[int, int], scratch: Scratch) -> np.ndarray:
    """Return all windows of ``x`` as one matrix per run, ``(lead, B * H' * W', size * size * C)``.

    The matrix is stored by windows or, transposed, by pixels of the window, whichever is copied in longer contiguous
    pieces. BLAS accepts both layouts.

    Args:
        x: padded images ``(lead, B, H, W, C)``, each sample contiguous.
        size: side of the window, in pixels.
        stride: pixels from one window to the next.
        windows: H' and W', the numbers of windows along each axis.
        scratch: returns the buffer for the result, given a name, a shape and a dtype.
    """
    lead, batch, _, _, channels = x.shape
    if size == stride == 1:
        return x.reshape(lead, -1, channels)
    height, width = windows
    across = size * channels
    if across < width:
        planes = scratch("planes", (lead, size, size, channels, batch, height, width), x.dtype)
        for i in range(size):
            for j in range(size):
                planes[:, i, j] = np.moveaxis(taps(x, i, j, stride, windows), -1, 1)
        return planes.reshape(lead, size * across, -1).swapaxes(1, 2)
    rows = scratch("rows", (lead, batch, height, width, size, across), x.dtype)
    run, image, line, pixel, number = x.strides
    spacing = (run, image, stride * line, stride * pixel, line, number)
    rows[...] = as_strided(x, rows.shape, spacing, writeable=False)
    return rows.reshape(lead, -1, size * across)
