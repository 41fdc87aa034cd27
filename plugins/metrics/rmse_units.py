"""Root mean squared error in the target's own units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import OutputMeans


class RootMeanSquaredErrorInUnits(Metric):
    """Root mean squared error in the target's own units, the plain mean over the outputs.

    For each output sqrt(mean over samples of (y - target)^2), times the deviation that the target was divided by: in
    years for a target in years, whatever ``dataset.scaling``. ``mse`` is the squared error in the scaled units that the
    model is trained in. Sums are float64.
    """

    tasks = ("regression", "reconstruction")
    shown_for = ("regression",)
    greater_is_better = False

    def start(self, runs: int) -> None:
        """Forget everything."""
        self._means = OutputMeans(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take predictions ``(R, B, *output)`` and targets."""
        error = predictions - as_values(targets, predictions)
        self._means.add(np.square(error))

    def value(self) -> np.ndarray:
        """Return the errors, shape ``(R,)``."""
        errors = np.sqrt(self._means.value()) * np.reshape(self.target_scale, -1)
        return np.asarray(errors.mean(axis=1))


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``rmse_units``."""
    yield MetricSpec("rmse_units", RootMeanSquaredErrorInUnits)
