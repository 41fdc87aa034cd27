"""Share of right classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_labels, hookimpl, number

from ._running import RunningMean


class Accuracy(Metric):
    """Share of samples whose class is predicted right.

    Several outputs: the class of the largest (the first of equals). A single output: class 1 above ``threshold``,
    else class 0. A sample with a NaN among its predictions is wrong. With a threshold of 0.3 it is recorded as
    ``accuracy_0.3``.
    """

    tasks = ("classification",)
    shown_for = ("classification",)
    threshold: float | None = number(
        None, help="a single output above it is class 1; null: 0 for logits, 0.5 otherwise"
    )

    def name(self) -> str:
        """Return ``accuracy``, with the threshold if one is set."""
        return self.label() if self.threshold is None else f"{self.label()}_{self.threshold}"

    def start(self, runs: int) -> None:
        """Forget everything."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take predictions ``(R, B, outputs)`` and labels ``(R or 1, B)``."""
        outputs = predictions.shape[-1]
        labels = as_labels(targets, predictions, classes=max(outputs, 2))
        best = predictions.max(axis=2)  # NaN where any is
        chosen = predictions.argmax(axis=2) if outputs > 1 else predictions[..., 0] > self._threshold()
        self._mean.add((chosen == labels) & ~np.isnan(best))

    def value(self) -> np.ndarray:
        """Return the share in [0, 1]."""
        return self._mean.value()

    def _threshold(self) -> float:
        if self.threshold is not None:
            return self.threshold
        return 0.0 if self.predicted == "logits" else 0.5


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``accuracy``."""
    yield MetricSpec("accuracy", Accuracy)
