"""A well in a plateau."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss


class Plateau(FunctionLoss):
    """A well in a plateau: the gradient vanishes far from the minimum.

    With the squared distance s = u^2 + v^2 + … of the point from the origin::

        s / (1 + s)

    The minimum is 0 at the origin; far away, the value approaches 1 and the gradient 2 / s^1.5.

    Source: Geman & McClure 1985, "Bayesian image analysis", as a robust error function.
    """

    dimensions = None
    example_shape = (5,)
    minima = (0.0,)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the value at each point, ``(R, B)``."""
        squared = np.add.reduce(x * x, axis=-1)
        return np.asarray(squared / (1 + squared))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        squared = np.add.reduce(x * x, axis=-1)
        return np.asarray(2 * x / np.square(1 + squared)[..., None])


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=plateau``."""
    yield LossSpec("plateau", Plateau)
