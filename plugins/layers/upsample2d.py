"""Enlarging images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, Shape, hookimpl, integer

from ._windows import image_shape


class Upsample2d(Layer):
    """Nearest-neighbour enlargement: each pixel becomes a square of factor x factor.

    For images ``(height, width, channels)``, the output ``(factor * height, factor * width, channels)`` is::

        y[i, j] = x[floor(i / factor), floor(j / factor)]

    Raises ``InputError`` if a sample is not an image.

    Differs from torch's ``Upsample`` in mode nearest: the channels are the last axis of an image here.
    """

    replayable = True

    factor: int = integer(2, at_least=1, help="how many times higher and wider")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the enlarged shape.

        Raises:
            InputError: ``shape`` is not an image.
        """
        height, width, channels = image_shape(shape, "upsample2d")
        return (height * self.factor, width * self.factor, channels)

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the enlarged images, ``(R or 1, B, factor * height, factor * width, channels)``."""
        y = self.scratch("y", (*x.shape[:2], *self.output_shape(self.input_shape)), x.dtype)
        self._squares(y)[...] = x[:, :, :, None, :, None]
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return the sum of ``dy`` over each square, added row by row."""
        if not need_dx:
            return None
        dx = self.scratch("dx", (*dy.shape[:2], *self.input_shape), dy.dtype)
        squares = self._squares(dy)
        dx[...] = squares[:, :, :, 0, :, 0]
        for place in range(1, self.factor**2):
            row, column = divmod(place, self.factor)
            dx += squares[:, :, :, row, :, column]
        return dx

    def _squares(self, images: np.ndarray) -> np.ndarray:
        height, width, channels = self.input_shape
        return images.reshape(*images.shape[:2], height, self.factor, width, self.factor, channels)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``upsample2d``."""
    yield LayerSpec("upsample2d", Upsample2d)
