"""Branin's function."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import LossSpec, hookimpl

from ._function import FunctionLoss, both, point

CURVE, TILT, WAVE = 5.1 / (4 * math.pi**2), 5 / math.pi, 10 - 10 / (8 * math.pi)


class Branin(FunctionLoss):
    """Branin's function: a parabola with waves, three equal minima.

    At the point (u, v)::

        (v - 5.1 / (4 pi^2) u^2 + 5 / pi u - 6)^2 + 10 (1 - 1 / (8 pi)) cos(u) + 10

    The minimum is 5 / (4 pi), about 0.39789, at (-pi, 12.275), (pi, 2.275) and (3 pi, 2.475).

    Source: Branin 1972, "Widely convergent method for finding multiple solutions of simultaneous nonlinear equations",
    IBM Journal of Research and Development 16; constants as in Dixon & Szego 1978.
    """

    minima = ((-math.pi, 12.275), (math.pi, 2.275), (3 * math.pi, 2.475))
    minimum = 5 / (4 * math.pi)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the value at each point, ``(R, B)``."""
        u, v = both(x)
        return np.asarray(np.square(v - CURVE * u * u + TILT * u - 6) + WAVE * np.cos(u) + 10)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient, shaped as ``x``."""
        u, v = both(x)
        error = v - CURVE * u * u + TILT * u - 6
        return point(2 * error * (TILT - 2 * CURVE * u) - WAVE * np.sin(u), 2 * error)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=branin``."""
    yield LossSpec("branin", Branin)
