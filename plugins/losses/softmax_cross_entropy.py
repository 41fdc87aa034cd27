"""Cross-entropy of the softmax of logits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from framework import Loss, LossSpec, as_labels, hookimpl, hyper

from ._labels import label_places
from ._mean import mean_of_runs


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of softmax(logits) with the labels; the model ends without softmax.

    The loss, with s = ``label_smoothing`` and C classes, averaged over the batch, is::

        q = (1 - s) onehot(label) + s / C
        -sum_c q_c log softmax(z)_c

    Logits z are ``(R, B, C)``, labels 0 to C - 1; the loss is one number per run, ``(R,)``. Softmax and logarithm are
    computed in one step, relative to the largest logit, so that no finite logits overflow.

    Raises ``InputError`` if the data set has no labels, or a label has no output.

    Sources: torch's ``CrossEntropyLoss``; Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing).

    Differs from torch: not at all.
    """

    replayable = True
    expects = "logits"
    unit = "nats"
    label_smoothing: Any = hyper(
        0.0,
        at_least=0,
        at_most=1,
        prior="linear",
        search=(0.0, 0.2),
        help="share of the target spread over all classes",
    )

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean cross-entropy per run for logits ``(R, B, C)`` and labels ``(R or 1, B)``."""
        labels = targets if self.labels_checked else as_labels(targets, predictions)
        shifted = predictions - np.maximum.reduce(predictions, axis=2, keepdims=True)
        self._exp = np.exp(shifted)
        self._sum = np.add.reduce(self._exp, axis=2)
        self._at_label = label_places(predictions.shape, labels)
        losses = np.log(self._sum)
        picked = shifted.reshape(-1)[self._at_label]
        if not self._smooth:
            return mean_of_runs(np.subtract(losses, picked, out=losses))
        smoothing = self.column(self.label_smoothing, picked)
        spread = np.zeros_like(picked)
        # without smoothing, a masked class (logit -inf) must not change the loss: 0 * -inf would be NaN
        np.multiply(smoothing, shifted.mean(axis=2), out=spread, where=smoothing > 0)
        return mean_of_runs(losses - (1 - smoothing) * picked - spread)

    @cached_property
    def _smooth(self) -> bool:
        """Whether any run uses label smoothing; with a share of 0 the general formula gives the same bits, slower."""
        return bool(self.label_smoothing.any())

    def backward(self) -> np.ndarray:
        """Return (softmax(z) - q) / B, shape ``(R, B, C)``."""
        _, batch, classes = self._exp.shape
        gradient = self._exp / (self._sum * batch)[:, :, None]
        flat = gradient.reshape(-1)
        if not self._smooth:
            flat[self._at_label] -= gradient.dtype.type(1.0 / batch)
            return gradient
        smoothing = self.column(self.label_smoothing / batch, gradient)
        gradient -= smoothing / classes
        flat[self._at_label] -= gradient.dtype.type(1.0 / batch) - smoothing[..., 0]
        return gradient


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=softmax_cross_entropy``."""
    yield LossSpec("softmax_cross_entropy", SoftmaxCrossEntropy)
