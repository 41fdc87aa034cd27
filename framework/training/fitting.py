"""Checks, before a run starts, that its parts fit together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from framework.base.loss import Loss
from framework.base.metric import Metric
from framework.data.batches import chunks
from framework.data.prepare import Data
from framework.errors import InputError
from framework.training.model import Model

TRIED = 2
"""Number of samples that `check_fit` passes through all parts."""


def check_fit(model: Model, loss: Loss, metrics: Iterable[Metric], data: Data) -> None:
    """Raise `InputError` if the model, the loss and the metrics do not fit each other and the data set.

    `TRIED` training samples are passed through all parts. The last one gets the highest label: if that label is
    accepted, all are.

    Raises:
        InputError: the parts do not fit together; the message names them.
    """
    _check_classes(model, loss, data)
    _check_meaning(model, loss)
    few = next(chunks(data.train, TRIED))
    targets = few.targets.copy()
    if data.classes is not None:
        targets[:, -1] = data.classes - 1
    with np.errstate(all="ignore"):
        predictions = model.forward(few.inputs)
        loss.forward(predictions, targets)
        for metric in metrics:
            metric.start(len(predictions))
            metric.update(predictions, targets)


def gives_all_classes(model: Model, data: Data) -> bool:
    """Return whether the model has one row of outputs per sample, at least one output for each class."""
    outputs = model.output_shape
    return data.classes is not None and len(outputs) == 1 and outputs[0] >= data.classes


def fits_labels(model: Model, data: Data) -> bool:
    """Return whether every label of the data set has an output, or is 0 or 1 for a single output."""
    return gives_all_classes(model, data) or (data.classes == 2 and model.output_shape == (1,))


def fits_shares(data: Data) -> bool:
    """Return whether the targets of all samples are values in [0, 1]."""
    parts = [part.targets for part in (data.train, data.validation, data.test) if part.targets.size]
    return data.classes is None and all(targets.min() >= 0 and targets.max() <= 1 for targets in parts)


def _check_classes(model: Model, loss: Loss, data: Data) -> None:
    """Raise `InputError` if there is only one class, or the model has too few outputs for the classes."""
    classes, outputs = data.classes, model.output_shape
    if classes is None:
        return
    if classes < 2:
        raise InputError("every sample of the data set has the same label: there is nothing to learn")
    if len(outputs) != 1 or gives_all_classes(model, data):
        return
    if outputs[0] > 1:
        raise InputError(
            f"the model gives {outputs[0]} outputs, but the data set has {classes} classes: end it in units=outputs"
        )
    try:
        single = np.zeros((model.parameters.runs, 1, 1), model.parameters.dtype)
        loss.forward(single, np.full((1, 1), classes - 1))
    except (InputError, IndexError):
        other = ", or use loss=binary_cross_entropy_logits" if classes == 2 else ""
        raise InputError(
            f"loss {loss.label()} cannot distinguish {classes} classes with the model's 1 output: "
            f"end the model in units=outputs{other}"
        ) from None


def _check_meaning(model: Model, loss: Loss) -> None:
    """Raise `InputError` if the model outputs probabilities and the loss takes logits, or the reverse."""
    gives = next((layer.output_kind for layer in reversed(model.layers) if layer.output_kind), "values")
    if (gives, loss.expects) == ("probabilities", "logits"):
        raise InputError(f"loss {loss.label()} takes logits, but the model outputs probabilities: change one of them")
    if (gives, loss.expects) == ("logits", "probabilities"):
        raise InputError(f"loss {loss.label()} takes probabilities: end the model in softmax or sigmoid")
