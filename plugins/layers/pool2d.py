"""Pooling: one number per window and channel of an image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import InputError, Layer, LayerSpec, Shape, choice, hookimpl, integer

from ._windows import image_shape, steps, taps

COMBINE = {"max": np.maximum, "min": np.minimum, "average": np.add}
"""The function by which each mode combines two pixels; the average divides by their number at the end."""


class Pool2d(Layer):
    """The maximum, minimum or average of each window, channel by channel.

    For images ``(height, width, channels)``, the output ``(height', width', channels)`` is::

        y[i, j, c] = max, min or average of channel c in window[i, j]
        height' = floor((height - size) / stride) + 1, likewise width'

    There is no padding. Windows overlap if stride is below size. Pixels beyond the last whole window are not used, and
    their gradient is 0. ``max`` and ``min`` pass the gradient to the first pixel, row by row, that has the value;
    ``average`` spreads it evenly.

    Raises ``InputError`` if a sample is not an image or smaller than one window.

    Differs from torch's ``MaxPool2d`` and ``AvgPool2d``: the channels are the last axis of an image here.
    """

    replayable = True

    mode: str = choice("max", tuple(COMBINE), help="value to take from each window")
    size: int = integer(2, at_least=1, help="side of the square window, in pixels")
    stride: int | None = integer(None, at_least=1, help="step between windows, in pixels; null: size")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(height', width', channels)``.

        Raises:
            InputError: ``shape`` is not an image, or no window fits.
        """
        height, width, channels = image_shape(shape, "pool2d")
        windows = [steps(n, self.size, self._stride) for n in (height, width)]
        if min(windows) == 0:
            raise InputError(f"pool2d size={self.size} does not fit in {height} x {width} pixels: lower it")
        return (*windows, channels)

    @property
    def _stride(self) -> int:
        return self.size if self.stride is None else self.stride

    def _taps(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Yield for each position in the window, row by row, the view of that pixel of every window."""
        height, width, _ = self.output_shape(self.input_shape)
        for place in range(self.size**2):
            yield taps(images, *divmod(place, self.size), self._stride, (height, width))

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return one number per window and channel, ``(R or 1, B, height', width', channels)``."""
        combine = COMBINE[self.mode]
        y = self.scratch("y", (*x.shape[:2], *self.output_shape(self.input_shape)), x.dtype)
        first, *others = self._taps(x)
        if others:
            combine(first, others[0], out=y)
        else:
            y[...] = first
        for other in others[1:]:
            combine(y, other, out=y)
        if self.mode == "average":
            y /= self.size**2
        self._x, self._y = x, y
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return the gradient of the images: passed to the selected pixels, or spread evenly.

        The gradients of overlapping windows are added.
        """
        if not need_dx:
            return None
        dx = self.scratch("dx", (*dy.shape[:2], *self.input_shape), dy.dtype)
        if not self._windows_tile():
            dx.fill(0)
        for target, share in zip(self._taps(dx), self._shares(dy), strict=True):
            if self._stride >= self.size:
                target[...] = share
            else:
                target += share
        return dx

    def _windows_tile(self) -> bool:
        """Return whether each pixel lies in exactly one window."""
        height, width, _ = self.input_shape
        return self._stride == self.size and height % self.size == width % self.size == 0

    def _shares(self, dy: np.ndarray) -> Iterator[np.ndarray]:
        """Yield for each position in the window the part of ``dy`` that this pixel receives."""
        share = self.scratch("share", dy.shape, dy.dtype)
        if self.mode == "average":
            np.divide(dy, self.size**2, out=share)
            for _ in range(self.size**2):
                yield share
            return
        wins = self.scratch("wins", self._y.shape, bool)
        untaken = self.scratch("untaken", self._y.shape, bool)
        untaken.fill(True)
        for pixel in self._taps(self._x):
            np.equal(pixel, self._y, out=wins)
            wins &= untaken
            untaken ^= wins
            yield np.multiply(dy, wins, out=share)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``pool2d``."""
    yield LayerSpec("pool2d", Pool2d)
