"""Himmelblau's function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss, both, point


class Himmelblau(FunctionLoss):
    """Himmelblau's function: four equal minima.

    At the point (u, v)::

        (u^2 + v - 11)^2 + (u + v^2 - 7)^2

    The minimum is 0 at (3, 2) and, rounded, at (-2.805118, 3.131313), (-3.779310, -3.283186) and (3.584428, -1.848127).

    Source: Himmelblau 1972, "Applied Nonlinear Programming".
    """

    minima = (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    )

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of the two squares, ``(R, B)``."""
        u, v = both(x)
        return np.asarray(np.square(u * u + v - 11) + np.square(u + v * v - 7))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = both(x)
        first, second = u * u + v - 11, u + v * v - 7
        return point(4 * u * first + 2 * second, 2 * first + 4 * v * second)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=himmelblau``."""
    yield LossSpec("himmelblau", Himmelblau)
