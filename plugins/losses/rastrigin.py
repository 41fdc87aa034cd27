"""Rastrigin's function."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss


class Rastrigin(FunctionLoss):
    """Rastrigin's function: a bowl with a grid of local minima.

    The sum over the coordinates u of::

        u^2 - 10 cos(2 pi u) + 10

    The minimum is 0 at the origin; there is a local minimum near every point of whole coordinates.

    Source: Rastrigin 1974, "Systems of Extremal Control"; in any dimension Muhlenbein, Schomisch & Born 1991.
    """

    dimensions = None
    example_shape = (5,)
    minima = (0.0,)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the sum over the coordinates, ``(R, B)``."""
        return np.asarray(np.add.reduce(x * x - 10 * np.cos(2 * math.pi * x) + 10, axis=-1))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        return np.asarray(2 * x + 20 * math.pi * np.sin(2 * math.pi * x))


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=rastrigin``."""
    yield LossSpec("rastrigin", Rastrigin)
