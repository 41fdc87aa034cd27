"""Binary cross-entropy of probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, hookimpl

from ._binary import as_probabilities
from ._mean import mean_of_runs

LOWEST_LOG = -100.0
"""The lower bound of logarithms, as in torch: the loss of a completely wrong prediction is 100, not infinite."""

LEAST_VARIANCE = 1e-12
"""The lower bound of p (1 - p) in the gradient's denominator, as in torch."""


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of predicted probabilities; the model ends in sigmoid.

    The loss for probabilities p and targets t in [0, 1], averaged over the batch and all outputs, is::

        -t log p - (1 - t) log(1 - p)

    Predictions are ``(R, B, *output)``; the loss is one number per run, ``(R,)``. Labels of a single output are 0 and
    1; labels of several outputs are one-hot encoded.

    Logarithms are not below -100, and the gradient (p - t) / (p (1 - p)) divides by no less than 1e-12. Prefer
    ``binary_cross_entropy_logits``, which stays accurate if p rounds to 0 or 1.

    Raises ``InputError`` if a target is outside [0, 1] or does not match the model's outputs.

    Source: torch's ``BCELoss``.

    Differs from torch: predictions outside [0, 1], which torch refuses, are clipped to 0 or 1.
    """

    replayable = True
    expects = "probabilities"
    unit = "nats"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean binary cross-entropy per run, ``(R,)``, for probabilities and targets in [0, 1]."""
        self._t = as_probabilities(targets, predictions, self)
        self._p = np.clip(predictions, 0, 1)
        with np.errstate(divide="ignore"):  # log(0) = -inf is raised to LOWEST_LOG below
            hit = np.maximum(np.log(self._p), LOWEST_LOG)
            miss = np.maximum(np.log1p(-self._p), LOWEST_LOG)
        return mean_of_runs((self._t - 1) * miss - self._t * hit)

    def backward(self) -> np.ndarray:
        """Return (p - t) / (p (1 - p)) / count, shaped as the predictions; count is the numbers per run."""
        variance = np.maximum(self._p * (1 - self._p), LEAST_VARIANCE)
        return (self._p - self._t) / variance * (1.0 / self._p[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=binary_cross_entropy``."""
    yield LossSpec("binary_cross_entropy", BinaryCrossEntropy)
