"""The metrics of a configuration by the name of their figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from framework.base.metric import Metric
from framework.errors import InputError
from framework.registry.manager import current, find

LOSS = "loss"
"""The name of the figure that every run has besides its metrics."""


def metrics_for(config: Mapping[str, Any], task: str) -> dict[str, Metric]:
    """Return the metrics by figure name: those that the config lists, or by default those shown for the task.

    Args:
        config: a composed configuration.
        task: ``"classification"``, ``"regression"`` or ``"reconstruction"``.

    Raises:
        InputError: a metric is unknown, does not support the task, or has the same figure name as another.
    """
    named: dict[str, Metric] = {}
    told: dict[str, str] = {}
    for name, fields in _listed(config, task):
        cls: type[Metric] = find("metric", name).cls
        if task not in cls.tasks:
            raise InputError(f"metrics: {name} makes no sense for {task}; it is for {' and '.join(cls.tasks)}")
        metric = cls(**cls.resolve(fields, f"metrics.{name}"))
        figure, words = _figure(name, metric), " ".join([name, *(f"{key}={fields[key]}" for key in fields)])
        if figure in named:
            raise InputError(f"metrics: {told[figure]} and {words} are both named {figure}: leave one of them out")
        named[figure], told[figure] = metric, words
    return named


def directions(config: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether greater is better, by figure name, for all metrics that a run of ``config`` may have.

    The task need not be known: if the config lists no metrics, the result includes those shown for any task.
    """
    made = [(name, find("metric", name).cls(**fields)) for name, fields in _listed(config, None)]
    return {_figure(name, metric): metric.greater_is_better for name, metric in made}


def _listed(config: Mapping[str, Any], task: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Return name and fields of each metric that the config lists.

    If it lists none, return the metrics shown for the task, or for any task if ``task`` is None.
    """
    if config["metrics"] is None:
        shown = {name: find("metric", name).cls.shown_for for name in current().names("metric")}
        return [(name, {}) for name, tasks in shown.items() if task in tasks or (tasks and task is None)]
    items = [dict(item) if isinstance(item, Mapping) else {"metric": item} for item in config["metrics"]]
    return [(str(item.pop("metric", None)), item) for item in items]


def _figure(name: str, metric: Metric) -> str:
    """Return the name of a metric's figure.

    Raises:
        InputError: MLflow does not accept the name, or it is the name of the loss.
    """
    figure = metric.name()
    if not isinstance(figure, str) or not re.fullmatch(r"[\w. /-]+", figure, re.ASCII) or figure == LOSS:
        raise InputError(
            f"metrics: {name} names its figure {figure!r}: its name() must return letters, digits and any of _ - . / "
            f"and not {LOSS}"
        )
    return figure
