"""The base class of losses that are functions of a point."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from framework import InputError, Loss, as_values

from ._mean import mean_of_runs


class FunctionLoss(Loss):
    """A function f of a point, with noise that is linear in the point: the mean of f(x) + noise x over the batch.

    The predictions are the point x, ``(R, B, dimensions)``, from the layer ``point``; the targets are the noise, of the
    same shape, which is thus added to the gradient of f. A data set with targets of zero evaluates f itself.

    Attributes:
        dimensions: the number of coordinates, or None for any number.

    Raises:
        InputError: the point has another number of coordinates, or the noise has another shape.
    """

    replayable = True
    dimensions: ClassVar[int | None] = 2
    example_shape = (2,)
    unit = "no unit"

    @abstractmethod
    def value(self, x: np.ndarray) -> np.ndarray:
        """Return f at the points ``x``, shape ``(R, B, dimensions)``, as ``(R, B)``."""

    @abstractmethod
    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient of f at the points ``x``, shape ``(R, B, dimensions)``, in the same shape."""

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean of f(x) + noise x per run, ``(R,)``."""
        needed = self.dimensions
        if predictions.ndim != 3 or (needed is not None and predictions.shape[2] != needed):
            raise InputError(
                f"loss {self.label()} is a function of {needed or 'a list of'} coordinates, but the model's output is "
                f"{predictions.shape[2:]} per sample: use the layer point with units={needed or 'outputs'}"
            )
        self._x, self._noise = predictions.copy(), as_values(targets, predictions)
        return mean_of_runs(self.value(predictions) + np.add.reduce(self._noise * predictions, axis=2))

    def backward(self) -> np.ndarray:
        """Return (gradient of f + noise) / B, shaped as the predictions."""
        total = self.slope(self._x) + self._noise
        return np.asarray(total / total.dtype.type(total.shape[1]))


def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two coordinates of points ``(…, 2)``."""
    return x[..., 0], x[..., 1]


def point(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return points ``(…, 2)`` of two coordinates."""
    return np.stack([u, v], axis=-1)
