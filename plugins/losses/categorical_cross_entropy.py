"""Cross-entropy of probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_labels, hookimpl

from ._labels import label_places
from ._mean import mean_of_runs


class CategoricalCrossEntropy(Loss):
    """Cross-entropy of predicted probabilities with the labels; the model ends in softmax.

    The loss, averaged over the batch, is::

        -log p[label]

    Predictions are ``(R, B, C)`` with one probability per class, labels 0 to C - 1; the loss is one number per run,
    ``(R,)``. The probabilities of the other classes affect the loss only through the softmax that computed them. Prefer
    ``softmax_cross_entropy`` on logits, which stays accurate if p rounds to 0 or 1.

    Probabilities below the dtype's smallest normal number (1.2e-38 in float32, 2.2e-308 in float64) are raised to it:
    loss and gradient stay finite at p = 0, and the gradient never points away from the label. A bound this low, unlike
    the common 1e-7, leaves the gradient through softmax exact for very wrong predictions, for which it matters most.

    Raises ``InputError`` if the data set has no labels, or a label has no output.

    Source: torch's ``NLLLoss`` of log p.
    """

    replayable = True
    expects = "probabilities"
    unit = "nats"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean cross-entropy per run for probabilities ``(R, B, C)`` and labels ``(R or 1, B)``."""
        labels = as_labels(targets, predictions, checked=self.labels_checked)
        self._shape = predictions.shape
        self._at_label = label_places(predictions.shape, labels)
        self._p = np.maximum(predictions.reshape(-1)[self._at_label], np.finfo(predictions.dtype).tiny)
        return mean_of_runs(-np.log(self._p))

    def backward(self) -> np.ndarray:
        """Return -1 / (B p[label]) at the labels, 0 elsewhere, shape ``(R, B, C)``."""
        gradient = np.zeros_like(self._p, shape=self._shape)
        gradient.reshape(-1)[self._at_label] = (-1.0 / self._shape[1]) / self._p
        return gradient


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=categorical_cross_entropy``."""
    yield LossSpec("categorical_cross_entropy", CategoricalCrossEntropy)
