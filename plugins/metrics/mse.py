"""Mean squared error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import RunningMean


class MeanSquaredError(Metric):
    """Mean squared error over all samples and outputs, in the scaled units the model is trained in.

    Labels are compared one-hot (a single output with the label itself). Sums are float64.
    """

    tasks = ("classification", "regression", "reconstruction")
    shown_for = ("regression", "reconstruction")
    greater_is_better = False

    def start(self, runs: int) -> None:
        """Forget everything."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take predictions ``(R, B, *output)`` and targets."""
        error = predictions - as_values(targets, predictions)
        self._mean.add(np.square(error))

    def value(self) -> np.ndarray:
        """Return the mean squared errors."""
        return self._mean.value()


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``mse``."""
    yield MetricSpec("mse", MeanSquaredError)
