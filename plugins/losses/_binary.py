"""Validation of targets, shared by the two binary cross-entropies."""

from __future__ import annotations

import numpy as np

from framework import InputError, Loss, as_values


def as_probabilities(targets: np.ndarray, predictions: np.ndarray, loss: Loss) -> np.ndarray:
    """Return targets as numbers in [0, 1], shape ``(R or 1, B, *output)``.

    Args:
        targets: as for `framework.as_values`.
        predictions: as for `framework.as_values`.
        loss: the loss, which knows whether the targets were validated before.

    Raises:
        InputError: the shapes do not match, or a target is outside [0, 1], for which the loss has no lower bound.
    """
    values = as_values(targets, predictions, checked=loss.labels_checked)
    checked = loss.labels_checked if targets.dtype.kind in "iu" else loss.shares_checked
    if not checked and (values.min() < 0 or values.max() > 1):
        raise InputError(
            f"binary cross-entropy needs targets in [0, 1], these reach from {values.min():g} to {values.max():g}: "
            "scale them (dataset.scaling=none for images in [0, 1]), or end the model in units=outputs for labels"
        )
    return values
