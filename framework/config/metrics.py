"""The metrics that a configuration chooses, and the names of their figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.base.metric import Metric
from framework.config.part import Part
from framework.errors import InputError, short
from framework.registry.manager import current, find

LOSS = "loss"
"""The name of the metric that every run has besides its metrics."""


@dataclass(frozen=True)
class RunMetric:
    """A metric that a run records, and the name of its metric.

    Attributes:
        name: the figure's name, as in ``val/NAME``.
        part: the metric's class and fields.
        tasks: the tasks for which it is recorded.
        listed: whether the user listed it; otherwise it is shown for its tasks by default.
        greater_is_better: as in `Metric`.
    """

    name: str
    part: Part
    tasks: tuple[str, ...]
    listed: bool
    greater_is_better: bool


def expand_metrics(listed: Any) -> tuple[RunMetric, ...]:
    """Return the metrics of a configuration's ``metrics``.

    Args:
        listed: names, or mappings with ``metric: NAME`` and the metric's fields; an empty list for the loss alone;
            None for those shown by default.

    Raises:
        InputError: ``listed`` is not a list of metrics, a metric or field is unknown or out of range, no task
            supports all of them, or two metrics have the same name.
    """
    metrics: list[tuple[RunMetric, str]] = []
    for metric, words in _default_metrics() if listed is None else _listed_metrics(listed):
        for other, its_words in metrics:
            if other.name == metric.name and {*other.tasks} & {*metric.tasks}:
                raise InputError(f"metrics: {its_words} and {words} are both named {metric.name}: remove one of them")
        metrics.append((metric, words))
    return tuple(metric for metric, _ in metrics)


def metrics_of(metrics: Sequence[RunMetric], task: str, **given: Any) -> dict[str, Metric]:
    """Return the metrics that are recorded for a task, by the name of their figure.

    Args:
        metrics: from `expand_metrics`.
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.
        **given: as for `Configurable.of_checked`.

    Raises:
        InputError: a metric that the user listed does not support the task.
    """
    made: dict[str, Metric] = {}
    for metric in metrics:
        if task in metric.tasks:
            made[metric.name] = metric.part.cls.of_checked([metric.part.fields], **given)
        elif metric.listed:
            tasks = " and ".join(metric.tasks)
            raise InputError(f"metrics: {metric.part.name} does not support {task}; it supports {tasks}")
    return made


def _default_metrics() -> Iterator[tuple[RunMetric, str]]:
    for name in current().names("metric"):
        if find("metric", name).cls.shown_for:
            yield _run_metric(Part.of(find("metric", name), {}, f"metrics.{name}"), listed=False), name


def _listed_metrics(listed: Any) -> Iterator[tuple[RunMetric, str]]:
    """Yield each listed metric and the user's words for it."""
    if not isinstance(listed, list):
        raise InputError(
            f"metrics={short(listed)} is not a list of names: write metrics=[accuracy], [] for the loss alone, or null "
            "for the task's defaults"
        )
    items = [_name_and_fields(item) for item in listed]
    if items and not set.intersection(*(set(_tasks(name)) for name, _ in items)):
        raise InputError(f"metrics={listed}: no task supports all of them; choose those of the data set's task")
    for name, fields in items:
        words = " ".join([name, *(f"{key}={fields[key]}" for key in fields)])
        yield _run_metric(Part.of(find("metric", name), fields, f"metrics.{name}"), listed=True), words


def _name_and_fields(item: Any) -> tuple[str, dict[str, Any]]:
    fields = dict(item) if isinstance(item, Mapping) else {"metric": item}
    name = fields.pop("metric", None)
    if not isinstance(name, str):
        raise InputError(
            f"metrics: {short(item)} is not a metric: write its name, or a mapping with metric: NAME and its fields"
        )
    return name, fields


def _tasks(name: str) -> tuple[str, ...]:
    try:
        return tuple(find("metric", name).cls.tasks)
    except InputError as error:
        raise InputError(f"metrics: {error}") from None


def _run_metric(part: Part, *, listed: bool) -> RunMetric:
    """Return a metric with the name of its figure.

    Raises:
        InputError: MLflow does not accept its name, or it is the name of the loss.
    """
    metric: Metric = part.cls.of_checked([part.fields])
    name = metric.name()
    if not isinstance(name, str) or not re.fullmatch(r"[\w. /-]+", name, re.ASCII) or name == LOSS:
        raise InputError(
            f"metrics: name() of {part.name} returns {name!r}: it must return only letters, digits and any of _ - . /, "
            f"and not {LOSS}"
        )
    tasks = part.cls.tasks if listed else part.cls.shown_for
    return RunMetric(name, part, tuple(tasks), listed, metric.greater_is_better)
