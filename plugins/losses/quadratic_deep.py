"""The quadratic problem of DeepOBS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from framework import InputError, Loss, LossSpec, as_values, hookimpl

from ._mean import mean_of_runs

DIMENSIONS = 100
SEED = 42


class QuadraticDeep(Loss):
    """A quadratic function with the eigenvalues of a deep network's Hessian.

    With the point p, ``(100,)``, and samples x, ``(B, 100)``, the mean over the batch of::

        1/2 (p - x)^T Q (p - x)

    Q has 90 eigenvalues from U(0, 1) and ten from U(30, 60), in a random rotation; all are drawn once, with the seed
    42. The predictions are the point, from the layer ``point``, and the targets are the samples.

    Raises ``InputError`` if the point has not 100 coordinates.

    Source: Schneider, Balles & Hennig 2019, "DeepOBS: A Deep Learning Optimizer Benchmark Suite", arXiv:1903.05499,
    problem ``quadratic_deep``; eigenvalues after Chaudhari et al. 2016, arXiv:1611.01838. The rotation is drawn by the
    subgroup algorithm of Diaconis & Shahshahani 1987.
    """

    replayable = True
    example_shape = (DIMENSIONS,)
    minima = (0.0,)
    unit = "no unit"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean per run, ``(R,)``."""
        if predictions.shape[2:] != (DIMENSIONS,):
            raise InputError(
                f"loss {self.label()} is a function of {DIMENSIONS} coordinates, but the model's output is "
                f"{predictions.shape[2:]} per sample: use the layer point with units={DIMENSIONS}"
            )
        error = predictions - as_values(targets, predictions)
        self._slope = np.matmul(error, hessian().astype(error.dtype))
        return mean_of_runs(np.add.reduce(self._slope * error, axis=2) / 2)

    def backward(self) -> np.ndarray:
        """Return Q (p - x) / B, ``(R, B, 100)``."""
        return np.asarray(self._slope / self._slope.dtype.type(self._slope.shape[1]))


@cache
def hessian() -> np.ndarray:
    """Return Q, ``(100, 100)``, in float64; read-only."""
    rng = np.random.RandomState(SEED)  # the generator of the published problem
    eigenvalues = np.concatenate([rng.uniform(0, 1, 90), rng.uniform(30, 60, 10)])
    rotation = random_rotation(rng, DIMENSIONS)
    matrix = rotation.T @ (eigenvalues[:, None] * rotation)
    matrix = (matrix + matrix.T) / 2
    matrix.flags.writeable = False
    return np.asarray(matrix)


def random_rotation(rng: np.random.RandomState, dimensions: int) -> np.ndarray:
    """Return a rotation matrix, uniformly distributed, ``(dimensions, dimensions)``.

    A rotation of the plane by a random angle is extended by one dimension at a time: a Householder reflection moves the
    new axis to a random direction. Each reflection changes the sign of the determinant, which the last line corrects
    for an even number of dimensions.

    Source: Diaconis & Shahshahani 1987, "The subgroup algorithm for generating uniform random variables".
    """
    angle = 2 * np.pi * rng.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for known in range(2, dimensions):
        direction = rng.standard_normal(known + 1)
        normal = -direction / np.linalg.norm(direction)
        normal[0] += 1
        normal /= np.linalg.norm(normal)
        extended = np.eye(known + 1)
        extended[1:, 1:] = rotation
        rotation = extended - 2 * np.outer(normal, normal @ extended)
    return -rotation


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=quadratic_deep``."""
    yield LossSpec("quadratic_deep", QuadraticDeep)
