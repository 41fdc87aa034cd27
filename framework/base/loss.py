"""Base class of losses, and the conversion of targets for a loss or metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.base.numerics import trailing
from framework.base.parameters import Shape
from framework.errors import InputError

INTEGERS = "iu"
"""Dtype kinds of labels. The test runs at each step, and comparing kinds is far faster than ``issubdtype``."""


class Loss(Configurable, ABC):
    """The mean error of the predictions over a batch, one number per run.

    A loss works per run, never across the runs axis, and in the predictions' dtype. It must not keep a view of the
    predictions: the model's next forward pass may overwrite their array. Predictions of diverged runs may contain
    infinities and NaN; these propagate according to IEEE 754 (the training loop silences the warnings).

    Attributes:
        expects: the kind of predictions needed: ``"logits"`` (any real scores), ``"probabilities"`` or ``"values"``.
        unit: the loss's unit in words, as in `Metric`.
        labels_checked: whether the labels were validated for the whole data set, given to `stack`; a loss can then skip
            the check per batch.
        shares_checked: whether the targets of the whole data set are values in [0, 1], likewise.
        replayable: whether NumPy's calls of `forward` and `backward` may be recorded and replayed, under the conditions
            of `framework.base.layer.Layer.replayable`.
    """

    replayable: ClassVar[bool] = False
    expects: ClassVar[str] = "values"
    unit: ClassVar[str] = ""
    labels_checked: bool = False
    shares_checked: bool = False
    example_shape: ClassVar[Shape | None] = None
    """Shape of one sample's predictions that the conformance kit uses; None lets it try several shapes."""
    minima: ClassVar[Sequence[float | Sequence[float]]] = ()
    """Predictions of one sample at which the loss is lowest if the targets are 0; a number stands for all outputs."""
    minimum: ClassVar[float] = 0.0
    """The loss at ``minima``."""

    @abstractmethod
    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean loss of each run, shape ``(R,)``, and store the values that `backward` needs.

        Args:
            predictions: shape ``(R, B, *output)``.
            targets: integer labels ``(R or 1, B)``, or values ``(R or 1, B, *output)``.
        """

    @abstractmethod
    def backward(self) -> np.ndarray:
        """Return the gradient of the mean losses of the last `forward`, shape ``(R, B, *output)``."""

    @staticmethod
    def column(values: np.ndarray | float, like: np.ndarray) -> np.ndarray:
        """Return a per-run column ``(R, 1)`` as ``(R, 1, …)``, to broadcast with ``like``, in its dtype."""
        return trailing(np.asarray(values, dtype=like.dtype), like.ndim - 1)


def as_values(targets: np.ndarray, predictions: np.ndarray, *, checked: bool = False) -> np.ndarray:
    """Return targets in the shape and dtype of the predictions: ``(R or 1, B, *output)``.

    Labels become one-hot rows of the predictions' width; with a single output they become its target values. Values
    are only cast. Targets that all runs share keep their leading axis of 1.

    Args:
        targets: integer labels ``(R or 1, B)``, or values ``(R or 1, B, *output)``.
        predictions: shape ``(R, B, *output)``.
        checked: whether labels were validated before, as `Loss.labels_checked` says.

    Raises:
        InputError: the shapes do not match, or a label has no output.
    """
    if targets.dtype.kind in INTEGERS:
        width = _width(targets, predictions)
        if width == 1:
            return targets[..., None].astype(predictions.dtype)
        if not checked:
            _check_labels(targets, width)
        return (targets[..., None] == np.arange(width)).astype(predictions.dtype)
    if targets.shape[1:] != predictions.shape[1:]:
        raise InputError(
            f"the model's output is {predictions.shape[2:]} per sample, the data set's target {targets.shape[2:]}: "
            "end the model in units=outputs, or reshape to outputs"
        )
    return targets.astype(predictions.dtype, copy=False)


def as_labels(
    targets: np.ndarray, predictions: np.ndarray, *, classes: int | None = None, checked: bool = False
) -> np.ndarray:
    """Return the targets, validated as integer labels ``(R or 1, B)``.

    Args:
        targets: the targets that the loss or metric received.
        predictions: shape ``(R, B, outputs)``.
        classes: the number of classes; by default the number of outputs.
        checked: whether labels were validated before, as `Loss.labels_checked` says.

    Raises:
        InputError: the targets are values, the predictions are not one row of outputs per sample, or a label is not
            in ``0 … classes - 1``.
    """
    if targets.dtype.kind not in INTEGERS:
        raise InputError(
            "class labels are needed, but the data set has values: use mse, mae or another loss for values"
        )
    width = _width(targets, predictions)
    if not checked:
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
    # As an unsigned number, a negative label is very large, so that one comparison detects both errors.
    highest = labels.astype(np.intp, copy=False).view(np.uintp).max()
    if highest >= classes:
        worst = labels.min() if labels.min() < 0 else labels.max()
        raise InputError(f"label {worst} is not one of the {classes} classes of the model's outputs: use units=outputs")
