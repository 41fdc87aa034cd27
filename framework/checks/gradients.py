"""Comparison of gradients with central differences along random directions, one number per run, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

TOLERANCE = 1e-6
"""Largest error relative to the gradient's norm. One wrong element changes a directional derivative by its own size."""
STEPS = (1e-5, 1e-6)
"""Step sizes of the difference; the smaller error counts, as curvature favours small steps and rounding large ones."""
DIRECTIONS = 3


def per_run(values: np.ndarray) -> np.ndarray:
    """Return the sum over all axes but the runs axis, shape ``(R,)``."""
    return values.reshape(len(values), -1).sum(axis=1)


def gradient_error(
    value: Callable[[], np.ndarray], place: np.ndarray, gradient: np.ndarray, steps: Sequence[float] = STEPS
) -> float:
    """Return the largest error of a gradient's directional derivatives, relative to the gradient's norm.

    Per direction ``v`` and run the error is ``|(f(x + h v) - f(x - h v)) / (2 h) - <gradient, v>|``, divided by the
    gradient's norm plus 1e-3. It is taken for each ``h`` of ``steps``; the smallest one counts.

    Args:
        value: function that returns one number per run, shape ``(R,)``, for the current content of ``place``.
        place: the point, shape ``(R, …)``; changed in place and restored.
        gradient: gradient of each run's number with respect to its row of ``place``.
        steps: step sizes of the difference.

    Returns:
        The largest error over runs and `DIRECTIONS` directions; NaN if any is NaN.
    """
    rng = np.random.default_rng(6)
    length = np.sqrt(per_run(gradient**2)) + 1e-3
    worst = 0.0
    for _ in range(DIRECTIONS):
        direction = rng.standard_normal(place.shape)
        claimed = per_run(gradient * direction)
        away = [np.abs(_slope(value, place, direction, step) - claimed) / length for step in steps]
        error = float(np.minimum.reduce(away).max())
        worst = error if np.isnan(error) else max(worst, error)
    return worst


def _slope(value: Callable[[], np.ndarray], place: np.ndarray, direction: np.ndarray, step: float) -> np.ndarray:
    start = place.copy()
    place[...] = start + step * direction
    above = value().copy()
    place[...] = start - step * direction
    below = value().copy()
    place[...] = start
    return (above - below) / (2 * step)
