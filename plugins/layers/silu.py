"""The sigmoid linear unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl

from ._logistic import logistic


class Silu(Layer):
    """Sigmoid linear unit, or swish: y = x / (1 + exp(-x)).

    The output is::

        x / (1 + exp(-x))

    It acts on each number, and the shape stays the same.

    Source: Elfwing et al. 2018, arXiv:1702.03118, equation 9.

    Differs from torch's ``SiLU``: not at all.
    """

    replayable = True

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        self._x = x
        self._gate = logistic(x, self.scratch("gate", x.shape, x.dtype))
        return np.multiply(x, self._gate, out=self.scratch("y", x.shape, x.dtype))

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy s (1 + x (1 - s)), with the gate s = 1 / (1 + exp(-x))."""
        if not need_dx:
            return None
        slope = self._gate * (1.0 + self._x * (1.0 - self._gate))
        return np.multiply(dy, slope, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``silu``."""
    yield LayerSpec("silu", Silu)
