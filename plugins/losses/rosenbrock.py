"""Rosenbrock's valley."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss


class Rosenbrock(FunctionLoss):
    """Rosenbrock's curved valley, in two or more dimensions.

    For neighbouring coordinates u and v of the point, the sum of::

        (1 - u)^2 + 100 (v - u^2)^2

    The minimum is 0 at (1, …, 1). From four coordinates on there is a second local minimum near (-1, 1, …, 1).

    Source: Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function", The Computer
    Journal 3; the sum over neighbours is that of SciPy's ``rosen``.
    """

    dimensions = None
    example_shape = (5,)
    minima = (1.0,)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the sum over neighbouring coordinates, ``(R, B)``."""
        u, v = x[..., :-1], x[..., 1:]
        return np.asarray(np.add.reduce(np.square(1 - u) + 100 * np.square(v - u * u), axis=-1))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = x[..., :-1], x[..., 1:]
        error = v - u * u
        out = np.zeros_like(x)
        out[..., :-1] = -2 * (1 - u) - 400 * u * error
        out[..., 1:] += 200 * error
        return out


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=rosenbrock``."""
    yield LossSpec("rosenbrock", Rosenbrock)
