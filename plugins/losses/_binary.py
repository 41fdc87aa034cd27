"""Validation of targets, shared by the two binary cross-entropies."""

from __future__ import annotations

import numpy as np

from framework import InputError, as_values


def as_probabilities(targets: np.ndarray, predictions: np.ndarray, *, checked: bool) -> np.ndarray:
    """Return targets as numbers in [0, 1], shape ``(R or 1, B, *output)``.

    Args:
        targets: as for `framework.as_values`.
        predictions: as for `framework.as_values`.
        checked: whether labels were validated before; one-hot rows are in [0, 1] then.

    Raises:
        InputError: the shapes do not match, or a target is outside [0, 1], for which the loss has no lower bound.
    """
    values = as_values(targets, predictions, checked=checked)
    if checked and targets.dtype.kind in "iu":
        return values
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"binary cross-entropy needs targets in [0, 1], these reach from {values.min():g} to {values.max():g}: "
            "scale them (dataset.scaling=none for images in [0, 1]), or end the model in units=outputs for labels"
        )
    return values
