"""The hinge losses of support vector machines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_labels, hookimpl, hyper

from ._labels import label_places
from ._mean import mean_of_runs


class Hinge(Loss):
    """Hinge loss on scores: zero if the score of the right class leads by at least the margin.

    The loss of a sample, averaged over the batch, is::

        sum over the wrong classes j of max(0, margin - z_label + z_j) / classes
        max(0, margin - y z)                    for a single output, y = -1 for label 0 and +1 for label 1

    Predictions z are ``(R, B, outputs)``; the loss is one number per run, ``(R,)``. The gradient at the kink is 0.

    Raises ``InputError`` if the data set has no labels, or a label has no output (for a single output: is not 0 or 1).

    Source: Weston & Watkins 1999, "Support Vector Machines for Multi-Class Pattern Recognition" (the sum form).

    Differs from torch's ``MultiMarginLoss`` (p = 1): not at all, for several outputs.
    """

    replayable = True
    expects = "logits"
    unit = "no unit"
    margin: float = hyper(1.0, above=0, prior="log", search=(0.1, 10.0), help="lead from which the loss is 0")

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean hinge loss per run for scores ``(R, B, outputs)`` and labels ``(R or 1, B)``."""
        outputs = predictions.shape[-1]
        labels = as_labels(targets, predictions, classes=max(outputs, 2), checked=self.labels_checked)
        margin = self.column(self.margin, predictions)
        if outputs == 1:
            self._slope = (1 - 2 * labels[..., None]).astype(predictions.dtype)
            excess = margin + self._slope * predictions
        else:
            self._at_label = label_places(predictions.shape, labels)
            excess = margin - predictions.reshape(-1)[self._at_label][..., None] + predictions
            excess.reshape(-1)[self._at_label] = 0
        self._active = (excess > 0).astype(predictions.dtype)
        return mean_of_runs(np.maximum(excess, 0))

    def backward(self) -> np.ndarray:
        """Return the gradient of the mean, shape ``(R, B, outputs)``."""
        scale = 1.0 / self._active[0].size
        if self._active.shape[-1] == 1:
            return self._slope * self._active * scale
        gradient = self._active * scale
        gradient.reshape(-1)[self._at_label] = -gradient.sum(axis=2)
        return gradient


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=hinge``."""
    yield LossSpec("hinge", Hinge)
