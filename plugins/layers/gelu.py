"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, flag, hookimpl

ROOT = math.sqrt(2.0 / math.pi)
CUBIC = 0.044715


class Gelu(Layer):
    """Gaussian error linear unit: y = x Phi(x), Phi being the normal distribution function.

    The output is::

        x Phi(x)
        x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))   with ``approximate``

    It acts on each number, and the shape stays the same. The approximate form is within 5e-4 of the exact one and
    faster.

    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.

    Differs from torch's ``GELU``: not at all; ``approximate`` is its ``approximate="tanh"``.
    """

    replayable = True

    approximate: bool = flag(False, help="use the approximate form with tanh")

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output, shaped as ``x``."""
        self._x = x
        self._phi = self._tanh_form(x) if self.approximate else _normal_distribution(x)
        return np.multiply(x, self._phi, out=self.scratch("y", x.shape, x.dtype))

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy (Phi(x) + x Phi'(x))."""
        if not need_dx:
            return None
        x = self._x
        if self.approximate:
            density = 2.0 * ROOT * (1.0 + 3.0 * CUBIC * x * x) * self._phi * (1.0 - self._phi)
        else:
            density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
        return np.multiply(dy, self._phi + x * density, out=self.scratch("dx", dy.shape, dy.dtype))

    @staticmethod
    def _tanh_form(x: np.ndarray) -> np.ndarray:
        return 0.5 * (1.0 + np.tanh(ROOT * (x + CUBIC * x * x * x)))


def _normal_distribution(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``gelu``."""
    yield LayerSpec("gelu", Gelu)
