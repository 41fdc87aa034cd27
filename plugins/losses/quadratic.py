"""A quadratic function of a given condition number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl, hyper

from ._function import FunctionLoss


class Quadratic(FunctionLoss):
    """A quadratic bowl with curvatures from 1 / condition to 1.

    With the coordinates u_i, in d dimensions::

        1/2 sum over i of condition^(-i / (d - 1)) u_i^2          for i = 0 … d - 1

    The curvatures are equally spaced in the logarithm; gradient descent converges for lr < 2. The minimum is 0 at the
    origin.

    Source: the standard convex test problem, for example Nesterov 2004, "Introductory Lectures on Convex Optimization",
    section 2.1.4.
    """

    dimensions = None
    example_shape = (5,)
    minima = (0.0,)

    condition: float = hyper(100.0, at_least=1, prior="log", search=(1.0, 1e6), help="ratio of the extreme curvatures")

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the value at each point, ``(R, B)``."""
        return np.asarray(np.add.reduce(self._curvatures(x) * x * x, axis=-1) / 2)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        return self._curvatures(x) * x

    def _curvatures(self, x: np.ndarray) -> np.ndarray:
        """Return the curvatures, ``(R or 1, 1, d)``, in the dtype of ``x``."""
        d = x.shape[-1]
        powers = np.arange(d) / max(1, d - 1)
        return (self.condition**-powers)[:, None].astype(x.dtype)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=quadratic``."""
    yield LossSpec("quadratic", Quadratic)
