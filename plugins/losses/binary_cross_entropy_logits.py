"""Binary cross-entropy of the sigmoid of logits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, hookimpl

from ._binary import as_probabilities
from ._mean import mean_of_runs


class BinaryCrossEntropyLogits(Loss):
    """Binary cross-entropy of sigmoid(logits); the model ends without sigmoid.

    The loss for logits z and targets t in [0, 1], averaged over the batch and all outputs, is::

        max(z, 0) - z t + log(1 + exp(-|z|))

    This form does not overflow for any finite logit. Predictions are ``(R, B, *output)``; the loss is one number per
    run, ``(R,)``. Labels of a single output are 0 and 1; labels of several outputs are one-hot encoded.

    Raises ``InputError`` if a target is outside [0, 1] or does not match the model's outputs.

    Source: torch's ``BCEWithLogitsLoss``.

    Differs from torch: not at all.
    """

    replayable = True
    expects = "logits"
    unit = "nats"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean binary cross-entropy per run, ``(R,)``, for logits and targets in [0, 1]."""
        targets = as_probabilities(targets, predictions, self)
        small = np.exp(-np.abs(predictions))  # at most 1: sigmoid and loss computed from it do not overflow
        self._difference = np.where(predictions >= 0, 1.0, small) / (1 + small) - targets
        return mean_of_runs(np.maximum(predictions, 0) - predictions * targets + np.log1p(small))

    def backward(self) -> np.ndarray:
        """Return (sigmoid(z) - t) / count, shaped as the predictions; count is the numbers per run."""
        return self._difference * (1.0 / self._difference[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=binary_cross_entropy_logits``."""
    yield LossSpec("binary_cross_entropy_logits", BinaryCrossEntropyLogits)
