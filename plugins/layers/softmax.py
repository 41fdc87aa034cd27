"""The softmax function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl


class Softmax(Layer):
    """Softmax: exp(x) divided by its sum over the last axis; numbers in [0, 1] that sum to 1.

    The output is::

        exp(x) / sum(exp(x))                    over the last axis

    The shape stays the same. The largest x is subtracted first, so that exp does not overflow. For training with labels
    prefer logits and the loss ``softmax_cross_entropy``, which does not lose small probabilities.

    Differs from torch's ``Softmax`` with ``dim=-1``: not at all.
    """

    replayable = True
    output_kind = "probabilities"

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        y = self.scratch("y", x.shape, x.dtype)
        np.subtract(x, x.max(axis=-1, keepdims=True), out=y)
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        self._y = y
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return y (dy - sum(dy y)): the product with the full Jacobian."""
        if not need_dx:
            return None
        dx = np.multiply(dy, self._y, out=self.scratch("dx", dy.shape, dy.dtype))
        along = dx.sum(axis=-1, keepdims=True)
        np.subtract(dy, along, out=dx)
        dx *= self._y
        return dx


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``softmax``."""
    yield LayerSpec("softmax", Softmax)
