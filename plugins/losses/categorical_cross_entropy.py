"""Cross-entropy of probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_labels, hookimpl

from ._mean import mean_of_runs


class CategoricalCrossEntropy(Loss):
    """Cross-entropy of predicted probabilities with the labels; the model ends in softmax.

    The loss, averaged over the batch, is::

        -log p[label]

    The other classes' probabilities count only through the softmax that made them. Prefer ``softmax_cross_entropy`` on
    logits: it keeps its digits where p rounds to 0 or 1.

    Probabilities below the dtype's smallest normal number (1.2e-38 in float32, 2.2e-308 in float64) are raised to it:
    loss and gradient stay finite at p = 0, and the gradient never points away from the label. A floor this low, and
    not a common 1e-7, leaves the gradient through softmax exact for badly wrong predictions, which need it most.

    Source: torch's ``NLLLoss`` of log p.
    """

    expects = "probabilities"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each run's mean cross-entropy for probabilities ``(R, B, C)`` and labels ``(R or 1, B)``."""
        labels = as_labels(targets, predictions)
        runs, batch, _ = predictions.shape
        self._shape = predictions.shape
        self._at_label = (np.arange(runs)[:, None], np.arange(batch), labels)
        self._p = np.maximum(predictions[self._at_label], np.finfo(predictions.dtype).tiny)
        return mean_of_runs(-np.log(self._p))

    def backward(self) -> np.ndarray:
        """Return -1 / (B p[label]) at the labels, 0 elsewhere, shape ``(R, B, C)``."""
        gradient = np.zeros(self._shape, self._p.dtype)
        gradient[self._at_label] = (-1.0 / self._shape[1]) / self._p
        return gradient


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=categorical_cross_entropy``."""
    yield LossSpec("categorical_cross_entropy", CategoricalCrossEntropy)
