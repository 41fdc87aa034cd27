"""Share of samples whose class is among the k largest outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import InputError, Metric, MetricSpec, as_labels, hookimpl, integer

from ._running import RunningMean


class TopK(Metric):
    """Share of samples whose class is among the k largest outputs, recorded as ``top_1``, ``top_2`` and so on.

    The figure, in [0, 1], one number per run, is::

        samples with at most k outputs >= the output of the label / all samples

    Ties count against the model: a constant prediction scores 0 for k below the number of classes. A sample with a NaN
    among its predictions counts as wrong.

    Raises ``InputError`` if there are fewer than k outputs, the data set has no labels, or a label has no output.
    """

    tasks = ("classification",)
    worst = 0.0
    unit = "share of samples"
    k: int = integer(5, at_least=1, help="number of largest outputs that may include the class")

    def name(self) -> str:
        """Return ``top_2`` for k = 2."""
        return f"top_{self.k}"

    def start(self, runs: int) -> None:
        """Reset the sums, for ``runs`` runs."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, classes)`` and labels ``(R or 1, B)``.

        Raises:
            InputError: there are fewer than k outputs, or the targets are not labels of these outputs.
        """
        labels = as_labels(targets, predictions)
        runs, batch, outputs = predictions.shape
        if self.k > outputs:
            raise InputError(f"metrics: top_k with k={self.k} and {outputs} outputs is always 1: lower k")
        own = predictions[np.arange(runs)[:, None], np.arange(batch), labels]
        place = (predictions >= own[..., None]).sum(axis=2)
        self._mean.add((place <= self.k) & ~np.isnan(predictions.max(axis=2)))

    def value(self) -> np.ndarray:
        """Return the shares in [0, 1], shape ``(R,)``; NaN without batches."""
        return self._mean.value()


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``top_k``."""
    yield MetricSpec("top_k", TopK)
