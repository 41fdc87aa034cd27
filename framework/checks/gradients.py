"""Compare a gradient with how the function changes, along random directions, one number a run, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TOLERANCE = 1e-6
"""Of the gradient's length. One wrong number shifts a directional derivative by about its own size."""
STEPS = (1e-5, 1e-6)
"""How far the function is looked at; the better of the two counts, as curvature and rounding ask for different ones."""
DIRECTIONS = 3


def per_run(values: np.ndarray) -> np.ndarray:
    """Sum all but the runs axis."""
    return values.reshape(len(values), -1).sum(axis=1)


def gradient_error(value: Callable[[], np.ndarray], place: np.ndarray, gradient: np.ndarray) -> float:
    """Return the largest difference between claimed and measured slope, relative to the gradient's length.

    Args:
        value: computes one number a run from what is in ``place``.
        place: moved in place and put back, ``(R, …)``.
        gradient: of each run's number by its row of ``place``.
    """
    rng = np.random.default_rng(6)
    length = np.sqrt(per_run(gradient**2)) + 1e-3
    worst = 0.0
    for _ in range(DIRECTIONS):
        direction = rng.standard_normal(place.shape)
        claimed = per_run(gradient * direction)
        away = [np.abs(_slope(value, place, direction, step) - claimed) / length for step in STEPS]
        found = float(np.minimum(*away).max())
        worst = found if np.isnan(found) else max(worst, found)
    return worst


def _slope(value: Callable[[], np.ndarray], place: np.ndarray, direction: np.ndarray, step: float) -> np.ndarray:
    start = place.copy()
    place[...] = start + step * direction
    above = value().copy()
    place[...] = start - step * direction
    below = value().copy()
    place[...] = start
    return (above - below) / (2 * step)
