"""The leaky rectifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl, hyper


class LeakyRelu(Layer):
    """Leaky rectifier: y = x if x > 0, else slope x.

    The output is::

        x                                       if x > 0
        slope x                                 otherwise

    It acts on each number, and the shape stays the same. The derivative at 0 is ``slope``.

    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models".

    Differs from torch's ``LeakyReLU``: not at all.
    """

    replayable = True

    slope: float = hyper(0.01, at_least=0, at_most=1, prior="log", search=(1e-3, 0.5), help="slope for negative x")

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x`` or with one row per run if the slopes differ."""
        self._x = x
        slope = self.column(self.slope, x)
        y = self.scratch("y", (max(len(x), len(slope)), *x.shape[1:]), x.dtype)
        np.multiply(x, slope, out=y)
        return np.maximum(x, y, out=y)

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy times 1 if x was positive, else the slope."""
        if not need_dx:
            return None
        slope = self.column(self.slope, dy)
        dx = self.scratch("dx", dy.shape, dy.dtype)
        np.maximum(self._x > 0, slope, out=dx)  # 1 or the slope, which is at most 1
        return np.multiply(dy, dx, out=dx)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``leaky_relu``."""
    yield LayerSpec("leaky_relu", LeakyRelu)
