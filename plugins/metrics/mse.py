"""Mean squared error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import RunningMean


class MeanSquaredError(Metric):
    """Mean squared error over all samples and outputs, in the scaled units the model is trained in.

    The figure, one number per run, is::

        mean over samples and outputs of (y - target)^2

    Labels are one-hot encoded; with a single output, the label itself is the target. Sums are float64. ``rmse_units``
    is its square root per output, in the target's own units.

    Raises ``InputError`` if the targets do not match the model's outputs.
    """

    tasks = ("classification", "regression", "reconstruction")
    shown_for = ("regression", "reconstruction")
    greater_is_better = False
    unit = "squared units of the scaled targets"

    def start(self, runs: int) -> None:
        """Reset the sums, for ``runs`` runs."""
        self._mean = RunningMean(runs)

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``.

        Raises:
            InputError: the targets do not match the outputs.
        """
        error = predictions - as_values(targets, predictions)
        self._mean.add(np.square(error))

    def value(self) -> np.ndarray:
        """Return the mean squared errors, shape ``(R,)``; NaN without batches."""
        return self._mean.value()


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``mse``."""
    yield MetricSpec("mse", MeanSquaredError)
