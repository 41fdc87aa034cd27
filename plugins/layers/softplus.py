"""The smooth rectifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl

from ._logistic import logistic


class Softplus(Layer):
    """Smooth rectifier: y = log(1 + exp(x)).

    The output is::

        log(1 + exp(x))

    It acts on each number, and the shape stays the same. The output is at least 0. It is computed as
    max(x, 0) + log1p(exp(-|x|)), which neither overflows nor loses small values.

    Differs from torch's ``Softplus``: torch returns x itself above its ``threshold``.
    """

    replayable = True

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        self._x = x
        y = np.abs(x, out=self.scratch("y", x.shape, x.dtype))
        np.negative(y, out=y)
        np.exp(y, out=y)
        np.log1p(y, out=y)
        y += np.maximum(x, 0)
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy / (1 + exp(-x))."""
        if not need_dx:
            return None
        slope = logistic(self._x, self.scratch("slope", self._x.shape, dy.dtype))
        return np.multiply(dy, slope, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``softplus``."""
    yield LayerSpec("softplus", Softplus)
