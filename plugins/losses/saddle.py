"""A saddle between two minima."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss, both, point


class Saddle(FunctionLoss):
    """A saddle point between two minima.

    At the point (u, v)::

        (u^2 - v^2) / 2 + v^4 / 4

    The saddle is at (0, 0) with the value 0: on the line v = 0 the gradient leads there. The minimum is -1/4, at (0, 1)
    and (0, -1).

    Source: the saddle u^2 - v^2, bounded by the quartic term of a double well.
    """

    minima = ((0.0, 1.0), (0.0, -1.0))
    minimum = -0.25

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the value at each point, ``(R, B)``."""
        u, v = both(x)
        return np.asarray((u * u - v * v) / 2 + np.square(v * v) / 4)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = both(x)
        return point(u, v * v * v - v)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=saddle``."""
    yield LossSpec("saddle", Saddle)
