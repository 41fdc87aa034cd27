"""What a loss subclasses, and how labels become the values a loss compares with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.errors import InputError

INTEGERS = "iu"
"""Kinds of dtypes that labels have; asking for one is far quicker than ``issubdtype``, and is done at each step."""


class Loss(Configurable, ABC):
    """The mean over a batch of how wrong each prediction is, one number a run.

    A loss works per run, never across the runs axis, and in the predictions' dtype. It keeps no view of the
    predictions: their array may be overwritten by the model's next forward. Diverged runs may bring infinities and
    NaN; they go through as IEEE 754 says (the training loop silences the warnings).

    Attributes:
        expects: ``"logits"`` (any real scores), ``"probabilities"`` or ``"values"``: what the predictions must be.
        labels_checked: every label that will come has an output; set by whoever knows all of them, so that a loss
            need not look at each batch.
    """

    expects: ClassVar[str] = "values"
    labels_checked: bool = False

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

    @staticmethod
    def column(values: np.ndarray | float, like: np.ndarray) -> np.ndarray:
        """Return a per-run column ``(R, 1)`` shaped to broadcast against ``like`` (runs first), in its dtype."""
        return np.asarray(values, dtype=like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def as_values(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return targets as numbers to compare with predictions: ``(R or 1, B, *output)`` in the predictions' dtype.

    Labels become one-hot rows as wide as the predictions (a single output takes the label itself); values pass.
    Targets that all runs share keep their leading axis of 1.

    Raises:
        InputError: the shapes do not fit, or a label has no output.
    """
    if targets.dtype.kind in INTEGERS:
        width = _width(targets, predictions)
        if width == 1:
            return targets[..., None].astype(predictions.dtype)
        _check_labels(targets, width)
        return np.eye(width, dtype=predictions.dtype)[targets]
    if targets.shape[1:] != predictions.shape[1:]:
        raise InputError(
            f"the model gives {predictions.shape[2:]} a sample and the data set's targets are {targets.shape[2:]}: "
            "end the model in units=outputs, or reshape to outputs"
        )
    return targets.astype(predictions.dtype, copy=False)


def as_labels(targets: np.ndarray, predictions: np.ndarray, *, classes: int | None = None) -> np.ndarray:
    """Return integer labels ``(R or 1, B)``.

    Args:
        targets: as the loss or metric got them.
        predictions: shape ``(R, B, outputs)``.
        classes: how many there are; by default one an output.

    Raises:
        InputError: the targets are values, the predictions are not one row of outputs a sample, or a label is not
            in ``0 … classes - 1``.
    """
    if targets.dtype.kind not in INTEGERS:
        raise InputError("class labels are needed and the data set has values: take mse, mae or another value loss")
    width = _width(targets, predictions)
    _check_labels(targets, width if classes is None else classes)
    return targets


def _width(labels: np.ndarray, predictions: np.ndarray) -> int:
    if predictions.ndim != 3 or predictions.shape[1] != labels.shape[-1]:
        raise InputError(
            f"labels {labels.shape} need predictions (runs, batch, classes); the model gives {predictions.shape}: "
            "flatten before the last dense layer"
        )
    return predictions.shape[2]


def _check_labels(labels: np.ndarray, classes: int) -> None:
    highest = labels.astype(np.intp, copy=False).view(np.uintp).max()  # a negative label becomes a huge one
    if highest >= classes:
        worst = labels.min() if labels.min() < 0 else labels.max()
        raise InputError(
            f"label {worst} is not among the {classes} classes that the model's outputs tell apart: use units=outputs"
        )
