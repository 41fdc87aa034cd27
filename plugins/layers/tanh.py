"""The hyperbolic tangent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl


class Tanh(Layer):
    """Hyperbolic tangent: y = tanh(x).

    The output is::

        tanh(x)

    It acts on each number, and the shape stays the same. The output is in [-1, 1].

    Differs from torch's ``Tanh``: not at all.
    """

    replayable = True

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        self._y = np.tanh(x, out=self.scratch("y", x.shape, x.dtype))
        return self._y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy (1 - y^2)."""
        if not need_dx:
            return None
        slope = np.multiply(self._y, self._y, out=self.scratch("slope", self._y.shape, dy.dtype))
        np.subtract(1.0, slope, out=slope)
        return np.multiply(dy, slope, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``tanh``."""
    yield LayerSpec("tanh", Tanh)
