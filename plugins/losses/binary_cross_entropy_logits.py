"""Binary cross-entropy of the sigmoid of logits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, hookimpl

from ._binary import as_probabilities
from ._mean import mean_of_runs


class BinaryCrossEntropyLogits(Loss):
    """Binary cross-entropy of sigmoid(logits); the model ends without sigmoid.

    The loss, averaged over the batch and all outputs, is::

        max(z, 0) - z t + log(1 + exp(-|z|))

    The form has no overflow for any finite logit. Labels of a single output are 0 and 1; labels of several outputs
    are compared one-hot.

    Source: torch's ``BCEWithLogitsLoss``.
    """

    expects = "logits"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each run's mean binary cross-entropy for logits and targets in [0, 1]."""
        targets = as_probabilities(targets, predictions)
        small = np.exp(-np.abs(predictions))  # in (0, 1]: sigmoid and loss follow from it without overflow
        self._difference = np.where(predictions >= 0, 1.0, small) / (1 + small) - targets
        return mean_of_runs(np.maximum(predictions, 0) - predictions * targets + np.log1p(small))

    def backward(self) -> np.ndarray:
        """Return (sigmoid(z) - t) / count."""
        return self._difference * (1.0 / self._difference[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=binary_cross_entropy_logits``."""
    yield LossSpec("binary_cross_entropy_logits", BinaryCrossEntropyLogits)
