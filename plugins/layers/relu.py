"""The rectifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl


class Relu(Layer):
    """Rectifier: y = max(x, 0).

    The output is::

        max(x, 0)

    It acts on each number, and the shape stays the same. The derivative at 0 is 0.

    Differs from torch's ``ReLU``: not at all.
    """

    replayable = True

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return max(x, 0), shaped as ``x``."""
        # an array of zeros, because NumPy's vectorized loop for maximum does not accept a scalar
        zeros = self.scratch("zeros", x.shape[1:], x.dtype)
        zeros.fill(0)
        self._y = self.scratch("y", x.shape, x.dtype)
        return np.maximum(x, zeros, out=self._y)

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy if x was positive, else 0."""
        if not need_dx:
            return None
        positive = np.greater(self._y, 0, out=self.scratch("positive", self._y.shape, bool))
        return np.multiply(dy, positive, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``relu``."""
    yield LayerSpec("relu", Relu)
