"""A ravine that is not parallel to an axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl, hyper

from ._function import FunctionLoss, both, point


class Ravine(FunctionLoss):
    """A ravine along the diagonal: steep across, flat along.

    At the point (u, v)::

        ((u - v)^2 + (u + v)^2 / condition) / 4

    The curvatures are 1 across and 1 / condition along. Since the ravine is not parallel to an axis, a step size per
    coordinate does not help. The minimum is 0 at the origin.

    Source: Sutton 1986, "Two problems with backpropagation and other steepest-descent learning procedures for
    networks".
    """

    minima = (0.0,)

    condition: float = hyper(100.0, at_least=1, prior="log", search=(1.0, 1e6), help="ratio of the two curvatures")

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the value at each point, ``(R, B)``."""
        u, v = both(x)
        return np.asarray((np.square(u - v) + np.square(u + v) / self.column(self.condition, u)) / 4)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = both(x)
        across, along = (u - v) / 2, (u + v) / self.column(self.condition, u) / 2
        return point(along + across, along - across)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=ravine``."""
    yield LossSpec("ravine", Ravine)
