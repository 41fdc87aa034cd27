"""The logistic function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl

from ._logistic import logistic


class Sigmoid(Layer):
    """Sigmoid: y = 1 / (1 + exp(-x)).

    The output is::

        1 / (1 + exp(-x))

    It acts on each number, and the shape stays the same. The output is in [0, 1].

    Differs from torch's ``Sigmoid``: not at all.
    """

    replayable = True
    output_kind = "probabilities"

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        self._y = logistic(x, self.scratch("y", x.shape, x.dtype))
        return self._y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy y (1 - y)."""
        if not need_dx:
            return None
        slope = np.subtract(1.0, self._y, out=self.scratch("slope", self._y.shape, dy.dtype))
        slope *= self._y
        return np.multiply(dy, slope, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``sigmoid``."""
    yield LayerSpec("sigmoid", Sigmoid)
