"""Square windows over images: how many there are, and all of them laid out as one matrix a run."""

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
        InputError: it is not an image; the message names ``layer``.
    """
    if len(shape) != 3:
        raise InputError(
            f"{layer} takes images (height, width, channels) but gets {shape}: put reshape with three numbers before it"
        )
    height, width, channels = shape
    return height, width, channels


def steps(extent: int, size: int, stride: int) -> int:
    """Return how many windows of ``size`` fit in ``extent`` pixels, ``stride`` apart; 0 when none does."""
    return max((extent - size) // stride + 1, 0)


def taps(x: np.ndarray, row: int, column: int, stride: int, windows: tuple[int, int]) -> np.ndarray:
    """Return the view of ``x`` (lead, B, H, W, C) with one pixel, (row, column), of each window."""
    height, width = windows
    return x[:, :, row : row + stride * (height - 1) + 1 : stride, column : column + stride * (width - 1) + 1 : stride]


def gather(x: np.ndarray, size: int, stride: int, windows: tuple[int, int], scratch: Scratch) -> np.ndarray:
    """Return all windows of ``x`` as a matrix a run, ``(lead, B * H' * W', size * size * C)``.

    The matrix is laid out by windows or, transposed, by pixels of the window: whichever copies in longer pieces.
    BLAS takes both.

    Args:
        x: images ``(lead, B, H, W, C)``, padded already, each sample contiguous.
        size: pixels along a side of the window.
        stride: pixels from one window to the next.
        windows: H' and W', the windows along each axis.
        scratch: gives the buffer that the result lives in.
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
