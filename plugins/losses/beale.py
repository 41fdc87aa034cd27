"""Beale's function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss, both, point

CONSTANTS = (1.5, 2.25, 2.625)


class Beale(FunctionLoss):
    """Beale's function: a steep cross with flat regions between.

    At the point (u, v)::

        (1.5 - u + u v)^2 + (2.25 - u + u v^2)^2 + (2.625 - u + u v^3)^2

    The minimum is 0 at (3, 0.5).

    Source: Beale 1958, "On an iterative method for finding a local minimum of a function of more than one variable".
    """

    minima = ((3.0, 0.5),)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of the three squares, ``(R, B)``."""
        u, v = both(x)
        return np.asarray(sum(np.square(c - u * (1 - v**k)) for k, c in enumerate(CONSTANTS, start=1)))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = both(x)
        errors = [c - u * (1 - v**k) for k, c in enumerate(CONSTANTS, start=1)]
        du = sum(2 * e * (v**k - 1) for k, e in enumerate(errors, start=1))
        dv = sum(2 * e * u * k * v ** (k - 1) for k, e in enumerate(errors, start=1))
        return point(np.asanyarray(du), np.asanyarray(dv))


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=beale``."""
    yield LossSpec("beale", Beale)
