"""Share of correctly predicted classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_labels, hookimpl, number

from ._running import RunningMean


class Accuracy(Metric):
    """Share of samples whose class is predicted correctly.

    The figure, in [0, 1], one number per run, is::

        samples with predicted class = label / all samples

    With several outputs, the predicted class is that of the largest output (the first of equal ones). With a single
    output, it is 1 if the output is above ``threshold``, else 0. A sample with a NaN among its predictions counts as
    wrong. If a threshold is set, such as 0.3, the metric is recorded as ``accuracy_0.3``.

    Raises ``InputError`` if the data set has no labels, or a label has no output.
    """

    tasks = ("classification",)
    shown_for = ("classification",)
    worst = 0.0
    unit = "share of samples"
    threshold: float | None = number(None, help="output above it is class 1; null: 0 for logits, else 0.5")

    def name(self) -> str:
        """Return ``accuracy``, followed by the threshold if one is set."""
        return self.label() if self.threshold is None else f"{self.label()}_{self.threshold}"

    def start(self, runs: int) -> None:
        """Reset the sums, for ``runs`` runs."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, outputs)`` and labels ``(R or 1, B)``.

        Raises:
            InputError: the targets are not labels of these outputs.
        """
        outputs = predictions.shape[-1]
        labels = as_labels(targets, predictions, classes=max(outputs, 2))
        best = predictions.max(axis=2)  # NaN if any of them is
        chosen = predictions.argmax(axis=2) if outputs > 1 else predictions[..., 0] > self._threshold()
        self._mean.add((chosen == labels) & ~np.isnan(best))

    def value(self) -> np.ndarray:
        """Return the shares in [0, 1], shape ``(R,)``; NaN without batches."""
        return self._mean.value()

    def _threshold(self) -> float:
        if self.threshold is not None:
            return self.threshold
        return 0.0 if self.predicted == "logits" else 0.5


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``accuracy``."""
    yield MetricSpec("accuracy", Accuracy)
