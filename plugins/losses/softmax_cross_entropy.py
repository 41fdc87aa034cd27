"""Cross-entropy of the softmax of logits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework.fields import hyper
from framework.hookspecs import hookimpl
from framework.loss import Loss, as_labels
from framework.specs import LossSpec
from plugins.losses._mean import mean_of_runs


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of softmax(logits) with the labels; the model ends without softmax.

    L = mean over the batch of -sum_c q_c log softmax(z)_c, with q = (1 - s) onehot(label) + s / C for
    ``label_smoothing`` s and C classes: torch's ``CrossEntropyLoss``. Softmax and logarithm are one step, taken
    relative to the largest logit, so that no finite logits overflow. Label smoothing: Szegedy et al. 2016,
    arXiv:1512.00567, section 7.
    """

    expects = "logits"
    label_smoothing: float = hyper(
        0.0,
        at_least=0,
        at_most=1,
        prior="linear",
        search=(0.0, 0.2),
        help="share of the target spread over all classes",
    )

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each run's mean cross-entropy for logits ``(R, B, C)`` and labels ``(R or 1, B)``."""
        labels = as_labels(targets, predictions)
        runs, batch, _ = predictions.shape
        self._at_label = (np.arange(runs)[:, None], np.arange(batch), labels)
        shifted = predictions - predictions.max(axis=2, keepdims=True)
        self._exp = np.exp(shifted)
        self._sum = self._exp.sum(axis=2, keepdims=True)
        smoothing = self.column(self.label_smoothing, shifted[..., 0])
        spread = np.zeros((runs, batch), shifted.dtype)
        # a masked class (logit -inf) costs nothing where there is no smoothing: 0 * -inf would be NaN
        np.multiply(smoothing, shifted.mean(axis=2), out=spread, where=smoothing > 0)
        return mean_of_runs(np.log(self._sum[..., 0]) - (1 - smoothing) * shifted[self._at_label] - spread)

    def backward(self) -> np.ndarray:
        """Return (softmax(z) - q) / B, shape ``(R, B, C)``."""
        _, batch, classes = self._exp.shape
        smoothing = self.column(self.label_smoothing, self._exp)
        gradient = self._exp / self._sum
        gradient -= smoothing / classes
        gradient[self._at_label] -= 1 - smoothing[..., 0]
        gradient *= 1.0 / batch
        return gradient


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=softmax_cross_entropy``."""
    yield LossSpec("softmax_cross_entropy", SoftmaxCrossEntropy)
