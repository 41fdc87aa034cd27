"""Mean absolute error in the target's own units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import OutputMeans


class MeanAbsoluteErrorInUnits(Metric):
    """Mean absolute error in the target's own units, the plain mean over the outputs.

    For each output mean over samples of |y - target|, times the deviation that the target was divided by: in
    years for a target in years, whatever ``dataset.scaling``. ``mae`` is the same error in the scaled units that the
    model is trained in. Sums are float64.
    """

    tasks = ("regression", "reconstruction")
    greater_is_better = False

    def start(self, runs: int) -> None:
        """Forget everything."""
        self._means = OutputMeans(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Take predictions ``(R, B, *output)`` and targets."""
        error = predictions - as_values(targets, predictions)
        self._means.add(np.abs(error))

    def value(self) -> np.ndarray:
        """Return the errors, shape ``(R,)``."""
        errors = self._means.value() * np.reshape(self.target_scale, -1)
        return np.asarray(errors.mean(axis=1))


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``mae_units``."""
    yield MetricSpec("mae_units", MeanAbsoluteErrorInUnits)
