"""Root mean squared error in the target's own units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import OutputMeans


class RootMeanSquaredErrorInUnits(Metric):
    """Root mean squared error in the target's own units, the plain mean over the outputs.

    The figure, one number per run, is the mean over the outputs of::

        sqrt(mean over samples of (y - target)^2) scale

    scale is the number that the output's target was divided by, such as its standard deviation. A target in years
    thus has an error in years for any ``dataset.scaling``. ``mse`` is the squared error in the scaled units that the
    model is trained in. Sums are float64.

    Raises ``InputError`` if the targets do not match the model's outputs.
    """

    tasks = ("regression", "reconstruction")
    shown_for = ("regression",)
    greater_is_better = False
    unit = "units of the targets"

    def start(self, runs: int) -> None:
        """Reset the sums, for ``runs`` runs."""
        self._means = OutputMeans(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``.

        Raises:
            InputError: the targets do not match the outputs.
        """
        error = predictions - as_values(targets, predictions)
        self._means.add(np.square(error))

    def value(self) -> np.ndarray:
        """Return the errors, shape ``(R,)``; NaN without batches."""
        errors = np.sqrt(self._means.value()) * np.reshape(self.target_scale, -1)
        return np.asarray(errors.mean(axis=1))


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``rmse_units``."""
    yield MetricSpec("rmse_units", RootMeanSquaredErrorInUnits)
