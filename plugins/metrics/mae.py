"""Mean absolute error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import RunningMean


class MeanAbsoluteError(Metric):
    """Mean absolute error over all samples and outputs, in the scaled units the model is trained in.

    Labels are compared one-hot (a single output with the label itself). Sums are float64.
    """

    tasks = ("classification", "regression", "reconstruction")
    greater_is_better = False

    def start(self, runs: int) -> None:
        """Forget everything."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take predictions ``(R, B, *output)`` and targets."""
        error = predictions - as_values(targets, predictions)
        self._mean.add(np.abs(error))

    def value(self) -> np.ndarray:
        """Return the mean absolute errors."""
        return self._mean.value()


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``mae``."""
    yield MetricSpec("mae", MeanAbsoluteError)
