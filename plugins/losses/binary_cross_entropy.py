"""Binary cross-entropy of probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, hookimpl

from ._binary import as_probabilities
from ._mean import mean_of_runs

LOWEST_LOG = -100.0
"""Logarithms are cut here, as in torch: the loss of a hopeless prediction is 100, not infinite."""

LEAST_VARIANCE = 1e-12
"""The least p (1 - p) that the gradient divides by, as in torch."""


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of predicted probabilities; the model ends in sigmoid.

    The loss, averaged over the batch and all outputs, is::

        -t log p - (1 - t) log(1 - p)

    Logarithms are not below -100, and the gradient (p - t) / (p (1 - p)) divides by no less than 1e-12. Prefer
    ``binary_cross_entropy_logits``: it keeps its digits where p rounds to 0 or 1. Labels of a single output are 0 and
    1; labels of several outputs are compared one-hot.

    Source: torch's ``BCELoss``.

    Differs from torch: predictions outside [0, 1], which torch refuses, count as 0 or 1.
    """

    expects = "probabilities"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each run's mean binary cross-entropy for probabilities and targets in [0, 1]."""
        self._t = as_probabilities(targets, predictions)
        self._p = np.clip(predictions, 0, 1)
        with np.errstate(divide="ignore"):  # log(0) is meant: it is cut next
            hit = np.maximum(np.log(self._p), LOWEST_LOG)
            miss = np.maximum(np.log1p(-self._p), LOWEST_LOG)
        return mean_of_runs((self._t - 1) * miss - self._t * hit)

    def backward(self) -> np.ndarray:
        """Return (p - t) / (p (1 - p)) / count."""
        variance = np.maximum(self._p * (1 - self._p), LEAST_VARIANCE)
        return (self._p - self._t) / variance * (1.0 / self._p[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=binary_cross_entropy``."""
    yield LossSpec("binary_cross_entropy", BinaryCrossEntropy)
