"""Mean absolute error in the target's own units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl

from ._running import OutputMeans


class MeanAbsoluteErrorInUnits(Metric):
    """Mean absolute error in the target's own units, the plain mean over the outputs.

    The figure, one number per run, is the mean over the outputs of::

        (mean over samples of |y - target|) scale

    scale is the number that the output's target was divided by, such as its standard deviation. A target in years
    thus has an error in years for any ``dataset.scaling``. ``mae`` is the error in the scaled units that the
    model is trained in. Sums are float64.

    Raises ``InputError`` if the targets do not match the model's outputs.
    """

    tasks = ("regression", "reconstruction")
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
        self._means.add(np.abs(error))

    def value(self) -> np.ndarray:
        """Return the errors, shape ``(R,)``; NaN without batches."""
        errors = self._means.value() * np.reshape(self.target_scale, -1)
        return np.asarray(errors.mean(axis=1))


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``mae_units``."""
    yield MetricSpec("mae_units", MeanAbsoluteErrorInUnits)
