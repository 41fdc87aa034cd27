"""Helpers of the rules that evaluate the loss within a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from framework import Objective, Parameters

GradientAt = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""A function of points ``(R, size)`` that returns the losses ``(R,)`` and the gradients ``(R, size)`` there."""


@contextmanager
def exploring(parameters: Parameters, gradients: Parameters, objective: Objective) -> Iterator[GradientAt]:
    """Yield a function that evaluates the objective at other points; restore parameters and gradients at the end."""
    here, slope = parameters.flat.copy(), gradients.flat.copy()

    def gradient_at(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parameters.flat[...] = points
        losses = objective.evaluate()
        return losses, gradients.flat.copy()

    try:
        yield gradient_at
    finally:
        parameters.flat[...] = here
        gradients.flat[...] = slope
