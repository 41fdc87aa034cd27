"""Metrics with one bug each, and the check that must detect it."""

from __future__ import annotations

import numpy as np
from planted_rules import plant

from framework.base.fields import integer
from framework.base.metric import Metric


class Distance(Metric):
    """The mean absolute error; a correct metric."""

    tasks = ("regression",)
    greater_is_better = False

    def start(self, runs):
        self._sum, self._count = np.zeros(runs), 0

    def update(self, predictions, targets):
        self._sum = self._sum + self._of(predictions, targets)
        self._count += predictions.shape[1]

    def _of(self, predictions, targets):
        return np.abs(predictions - targets).astype(np.float64).reshape(len(predictions), -1).sum(axis=1)

    def value(self):
        return self._sum / self._count if self._count else np.full(len(self._sum), np.nan)


@plant("metric", "names_its_tasks")
class NoTasks(Distance):
    """Declares no task."""

    tasks = ()


@plant("metric", "named_apart")
class Nameless(Distance):
    """Has the same name for every value of ``order``."""

    order: int = integer(1, at_least=1)

    def _of(self, predictions, targets):
        error = np.abs(predictions - targets).astype(np.float64) ** self.order
        return error.reshape(len(predictions), -1).sum(axis=1)


@plant("metric", "batches_do_not_matter")
class MeanOfBatches(Distance):
    """Gives small and large batches the same weight."""

    def update(self, predictions, targets):
        self._sum = self._sum + self._of(predictions, targets) / predictions.shape[1]
        self._count += 1


@plant("metric", "together_as_alone", "nan_stays_in_its_run")
class MetricMixesRuns(Distance):
    """Mixes each run's value with the mean over all runs."""

    def value(self):
        return super().value() * 0.5 + super().value().mean() * 0.5


@plant("metric", "nan_stays_in_its_run")
class MetricGuard(Distance):
    """Returns NaN for all runs if one run has a NaN."""

    def value(self):
        return super().value() if np.isfinite(self._sum).all() else np.full(len(self._sum), np.nan)


@plant("metric", "starts_afresh")
class NeverForgets(Distance):
    """Starts with wrong sums when it is reused."""

    def start(self, runs):
        if len(getattr(self, "_sum", ())) != runs:
            super().start(runs)
            self._sum = self._sum + getattr(self, "_kept", 0)
        self._kept = 1.0


@plant("metric", "shape_and_dtype")
class SingleFigures(Distance):
    """Returns float32 instead of float64."""

    def value(self):
        return super().value().astype(np.float32)


@plant("metric", "perfect_is_best")
class WrongWay(Distance):
    """Declares that a greater error is better."""

    greater_is_better = True


@plant("metric", "worst_is_worst")
class BoundedByHope(Distance):
    """Declares a worst error that large errors exceed."""

    worst = 100.0


@plant("metric", "inputs_unaltered")
class MetricInPlace(Distance):
    """Modifies the predictions in place."""

    def _of(self, predictions, targets):
        predictions -= targets
        return np.abs(predictions).astype(np.float64).reshape(len(predictions), -1).sum(axis=1)
