"""The exponential linear unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl, hyper


class Elu(Layer):
    """Exponential linear unit: y = x if x > 0, else alpha (exp(x) - 1).

    The output is::

        x                                       if x > 0
        alpha (exp(x) - 1)                      otherwise

    It acts on each number, and the shape stays the same. The output is at least -alpha.

    Source: Clevert et al. 2016, arXiv:1511.07289, equation 15.

    Differs from torch's ``ELU``: not at all.
    """

    replayable = True

    alpha: float = hyper(1.0, at_least=0, prior="log", search=(0.1, 3.0), help="-alpha is the limit for negative x")

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x`` or with one row per run if the alphas differ."""
        self._positive = x > 0
        self._below = np.expm1(np.minimum(x, 0)) * self.column(self.alpha, x)
        return np.maximum(x, 0) + self._below

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy times 1 if x was positive, else alpha exp(x)."""
        if not need_dx:
            return None
        slope = np.where(self._positive, 1.0, self._below + self.column(self.alpha, self._below))
        return np.multiply(dy, slope, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``elu``."""
    yield LayerSpec("elu", Elu)
