"""What a loss subclasses, and how labels become the values a loss compares with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.errors import InputError
from framework.fields import Configurable


class Loss(Configurable, ABC):
    """The mean over a batch of how wrong each prediction is, one number a run.

    Attributes:
        expects: ``"logits"``, ``"probabilities"`` or ``"values"``: what the predictions must be.
    """

    expects: ClassVar[str] = "values"

    @abstractmethod
    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean loss of each run, shape ``(R,)``, and keep what `backward` needs.

        Args:
            predictions: shape ``(R, B, *output)``.
            targets: integer labels ``(R or 1, B)``, or values ``(R or 1, B, *output)``.
        """

    @abstractmethod
    def backward(self) -> np.ndarray:
        """Return the gradient of the last forward's mean losses, shape ``(R, B, *output)``."""


def as_values(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return targets as numbers to compare with predictions.

    Labels become one-hot rows as wide as the predictions (a single output takes the label itself); values pass.

    Raises:
        InputError: the shapes do not fit.
    """
    if np.issubdtype(targets.dtype, np.integer):
        width = predictions.shape[-1]
        if predictions.ndim != targets.ndim + 1:
            raise InputError(f"labels need predictions (runs, batch, classes); the model gives {predictions.shape}")
        if width == 1:
            return targets[..., None].astype(predictions.dtype)
        return np.eye(width, dtype=predictions.dtype)[targets]
    if targets.shape[1:] != predictions.shape[1:]:
        raise InputError(
            f"the model gives {predictions.shape[2:]} a sample and the data set's targets are {targets.shape[2:]}: "
            "end the model in units=outputs, or reshape to outputs"
        )
    return targets


def as_labels(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return integer labels ``(R or 1, B)``.

    Raises:
        InputError: the targets are values, or the model's output does not have one number a class.
    """
    if not np.issubdtype(targets.dtype, np.integer):
        raise InputError("this loss needs class labels; the data set has values: take mse, mae or huber")
    if predictions.ndim != 3:
        raise InputError(f"labels need predictions (runs, batch, classes); the model gives {predictions.shape}")
    return targets
