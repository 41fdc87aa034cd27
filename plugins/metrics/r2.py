"""Coefficient of determination."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Metric, MetricSpec, as_values, hookimpl


class R2(Metric):
    """Coefficient of determination: 1 - residual / total sum of squares, the plain mean over the outputs.

    The figure of an output is::

        1 - sum (y - target)^2 / sum (target - mean of targets)^2

    It is at most 1, and one number per run: 1 is perfect, 0 is as good as the mean of the targets, below 0 is worse. An
    output whose targets are all equal scores 1 if every prediction is exact, else 0. The result is NaN for fewer than
    two samples.

    The targets' sum of squares about the mean is merged batch by batch in float64, which avoids the cancellation of
    sum(y^2) - n mean^2.

    Raises ``InputError`` if the targets do not match the model's outputs.

    Sources: scikit-learn's ``r2_score`` with its defaults; Chan, Golub & LeVeque 1983, "Algorithms for Computing the
    Sample Variance", equation 2.1 (the merging).
    """

    tasks = ("regression", "reconstruction")
    shown_for = ("regression",)
    unit = "no unit"

    def start(self, runs: int) -> None:
        """Reset the count and the sums, for ``runs`` runs."""
        self._runs = runs
        self._count = 0

    def update(self, predictions: np.ndarray, targets: np.ndarray) -> None:
        """Add a batch: predictions ``(R, B, *output)`` and targets ``(R or 1, B[, *output])``.

        Raises:
            InputError: the targets do not match the outputs.
        """
        values = as_values(targets, predictions)
        batch = predictions.shape[1]
        y = values.reshape(len(values), batch, -1).astype(np.float64)
        residual = np.square(y - predictions.reshape(len(predictions), batch, -1)).sum(axis=1)
        if not self._count:
            self._origin = y[:, :1].copy()
            self._residual = np.zeros_like(residual)
            self._mean = np.zeros_like(y[:, 0])
            self._total = np.zeros_like(y[:, 0])
        self._residual += residual
        self._merge(y - self._origin)  # equal targets become exactly 0

    def _merge(self, y: np.ndarray) -> None:
        batch = y.shape[1]
        mean = y.mean(axis=1)
        apart = mean - self._mean
        seen = self._count + batch
        self._total += np.square(y - mean[:, None]).sum(axis=1) + np.square(apart) * (self._count * batch / seen)
        self._mean += apart * (batch / seen)
        self._count = seen

    def value(self) -> np.ndarray:
        """Return the coefficients, at most 1, shape ``(R,)``; NaN for fewer than two samples."""
        if self._count < 2:
            return np.full(self._runs, np.nan)
        constant = self._total == 0
        score = 1 - self._residual / np.where(constant, 1.0, self._total)
        return np.asarray(np.where(constant & (self._residual > 0), 0.0, score).mean(axis=1))


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Provide ``r2``."""
    yield MetricSpec("r2", R2)
