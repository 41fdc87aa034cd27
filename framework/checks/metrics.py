"""Checks of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from framework.base.metric import Metric
from framework.checks.bits import differing
from framework.checks.results import Broken, Figure, Skip, worst
from framework.checks.settings import Settings, accepted, label, variants
from framework.errors import InputError

RUNS = 3
SAMPLES = 40
CLASSES = 8
ROUNDING = 1e-12
FAR = 1e3
"""Factor on the errors of predictions that are to be very bad."""


@dataclass(frozen=True)
class MetricCase:
    """A metric's class with one setting and one task."""

    cls: type[Metric]
    values: Settings
    task: str

    def __str__(self) -> str:
        return f"{label(self.values)}, {self.task}"

    @property
    def labelled(self) -> bool:
        """Whether the targets are labels."""
        return self.task == "classification"

    def targets(self) -> np.ndarray:
        """Return targets that all runs share: labels ``(1, N)``, or values ``(1, N, 4)``."""
        rng = np.random.default_rng(1)
        return rng.integers(0, CLASSES, (1, SAMPLES)) if self.labelled else rng.standard_normal((1, SAMPLES, 4))

    def perfect(self) -> np.ndarray:
        """Return correct predictions, the same in each run."""
        right = 4.0 * np.eye(CLASSES)[self.targets()] if self.labelled else self.targets()
        return np.repeat(right, RUNS, axis=0)

    def predictions(self) -> np.ndarray:
        """Return predictions with errors that differ from run to run."""
        return self.perfect() + np.random.default_rng(2).standard_normal(self.perfect().shape) * 3.0

    def value(self, predictions: np.ndarray, cuts: Sequence[int] = (), metric: Metric | None = None) -> np.ndarray:
        """Return the metric's value per run for batches that end at ``cuts`` and at the last sample."""
        metric = metric or self.new()
        targets, edges = self.targets(), [0, *cuts, SAMPLES]
        metric.start(len(predictions))
        for first, last in pairwise(edges):
            metric.update(predictions[:, first:last].copy(), targets[:, first:last].copy())
        return np.array(metric.value())

    def new(self) -> Metric:
        """Return a new metric, which takes logits for classification, else values."""
        return self.cls.stack([self.values], predicted="logits" if self.labelled else "values")


@dataclass(frozen=True)
class MetricSubject:
    """A metric's class with the cases that it is checked on."""

    cls: type[Metric]
    cases: Sequence[MetricCase] = field(default_factory=list)


def metric_subject(cls: type[Metric]) -> MetricSubject:
    """Return the subject for a metric's class.

    Raises:
        Skip: no settings are known to work.
    """
    reasons = ["no settings are known to work: give the class `examples`"]
    made = [MetricCase(cls, values, task) for values in variants(cls) for task in cls.tasks]
    cases = [case for case in made if _takes(case, reasons)]
    if not cases:
        raise Skip(reasons[-1])
    return MetricSubject(cls, cases)


def _takes(case: MetricCase, reasons: list[str]) -> bool:
    try:
        case.value(case.predictions())
    except InputError as error:
        reasons.append(str(error))
        return False
    return True


def names_its_tasks(subject: Any) -> Figure:
    """Check that the class declares the tasks that it applies to."""
    return Figure(float(not subject.cls.tasks), 0, "tasks is empty: no run can use this metric")


def named_apart(subject: MetricSubject) -> Figure:
    """Check that settings with different values have different names, so that one run can record both."""
    findings = []
    for case in subject.cases:
        name, figures = case.new().name(), case.value(case.predictions())
        for other in _neighbours(case):
            if _takes(other, []) and differing(figures, other.value(other.predictions())):
                says = f"{case} and {other} give different values, but both are named {name}: override `name`"
                findings.append((float(other.new().name() == name), says))
    if not findings:
        raise Skip("no field changes the measured value")
    return worst(findings, 0)


def _neighbours(case: MetricCase) -> Iterator[MetricCase]:
    """Yield copies of the case in which one field has another value."""
    for name, spec in case.cls.fields.items():
        if spec.kind in ("integer", "number"):
            others: Sequence[Any] = [(case.values.get(name, spec.default) or 0) + step for step in (1, -1)]
        else:
            others = [not spec.default] if spec.kind == "flag" else spec.choices
        for value in others:
            values = {**case.values, name: value}
            if value != case.values.get(name, spec.default) and accepted(case.cls, values):
                yield replace(case, values=values)


def batches_do_not_matter(subject: MetricSubject) -> Figure:
    """Check that the value does not depend on how the samples are divided into batches, to `ROUNDING`."""
    findings = []
    for case in subject.cases:
        whole, parts = case.value(case.predictions()), case.value(case.predictions(), (1, 17, 30))
        away = float((np.abs(whole - parts) / (1 + np.abs(whole))).max())
        findings.append((away, f"{case}: {whole} in one batch, {parts} in several"))
    return worst(findings, ROUNDING)


def together_as_alone(subject: MetricSubject) -> Figure:
    """Check that each of R runs together has the same bits as alone."""
    findings = []
    for case in subject.cases:
        together = case.value(case.predictions(), (17,))
        for run in range(RUNS):
            count = differing(together[run], case.value(case.predictions()[[run]], (17,))[0])
            findings.append((count, f"{case}: the figure of run {run} differs"))
    return worst(findings, 0)


def nan_stays_in_its_run(subject: MetricSubject) -> Figure:
    """Check that a NaN in one run's predictions does not change the bits of the other runs."""
    findings = []
    for case in subject.cases:
        predictions = case.predictions()
        clean = case.value(predictions)
        predictions[1, 3] = np.nan
        with np.errstate(all="ignore"):
            sick = case.value(predictions)
        findings.append((differing(clean[[0, 2]], sick[[0, 2]]), f"{case}: figures of the other runs differ"))
    return worst(findings, 0)


def starts_afresh(subject: MetricSubject) -> Figure:
    """Check that `start` resets the metric: reused, also with another number of runs, it gives the same bits."""
    findings = []
    for case in subject.cases:
        metric, predictions = case.new(), case.predictions()
        first = case.value(predictions, metric=metric)
        case.value(predictions[:1], metric=metric)
        count = differing(first, case.value(predictions, metric=metric))
        findings.append((count, f"{case}: {count} figures differ the second time"))
    return worst(findings, 0)


def shape_and_dtype(subject: MetricSubject) -> Figure:
    """Check that the value is one float64 number per run, and NaN before any sample."""
    findings = []
    for case in subject.cases:
        metric = case.new()
        metric.start(RUNS)
        with np.errstate(all="ignore"):
            empty = np.asarray(metric.value())
        made = case.value(case.predictions().astype(np.float32))
        wrong = made.shape != (RUNS,) or made.dtype != np.float64
        findings.append((float(wrong), f"{case}: the figure has shape {made.shape} and dtype {made.dtype}"))
        early = empty.shape != (RUNS,) or not np.isnan(empty).all()
        findings.append(
            (float(early), f"{case}: before any sample the figure is {empty}, which must be NaN for each run")
        )
    return worst(findings, 0)


def perfect_is_best(subject: MetricSubject) -> Figure:
    """Check that perfect predictions are never worse than others, and better in some run, by `greater_is_better`."""
    findings = []
    for case in subject.cases:
        best, other = case.value(case.perfect()), case.value(case.predictions())
        if not (np.isfinite(best).all() and np.isfinite(other).all()):
            raise Broken(f"{case}: the figures are {best} and {other}")
        worse = (best < other) if case.cls.greater_is_better else (best > other)
        findings.append(
            (float(worse.any() or (best == other).all()), f"{case}: perfect predictions give {best}, others {other}")
        )
    return worst(findings, 0)


def worst_is_worst(subject: MetricSubject) -> Figure:
    """Check that no predictions have a figure that is worse than the declared ``worst``: bad and very bad ones."""
    declared = subject.cls.worst
    if declared is None:
        raise Skip("no worst is declared: a run that fails gets the untrained model's figure")
    sign = 1.0 if subject.cls.greater_is_better else -1.0
    findings = []
    for case in subject.cases:
        right = case.perfect()
        for predictions in (case.predictions(), -right, right + FAR * (case.predictions() - right)):
            figures = case.value(predictions)
            says = f"{case}: predictions give {figures}, which is worse than worst = {declared}"
            findings.append((float((sign * (declared - figures)).max()), says))
    return worst(findings, 0)


def inputs_unaltered(subject: MetricSubject) -> Figure:
    """Check that predictions and targets are not changed."""
    findings = []
    for case in subject.cases:
        metric, predictions, targets = case.new(), case.predictions(), case.targets()
        metric.start(RUNS)
        metric.update(predictions, targets)
        metric.value()
        count = differing(predictions, case.predictions()) + differing(targets, case.targets())
        findings.append((count, f"{case}: {count} numbers were altered"))
    return worst(findings, 0)
