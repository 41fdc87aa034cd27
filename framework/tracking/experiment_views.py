"""How an experiment opens in MLflow's UI: as model training, with views that show figures and average over seeds.

Left alone, MLflow opens an experiment among its tools for language models, with a table that has no column of figures.
An experiment that we create therefore has a kind and two saved views. MLflow keeps both as tags of the experiment. A
saved view is what the page's own "Save as new view" writes: the state of the table and of the charts. MLflow before
saved views ignores them. A column or chart of a metric that no run has is not shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from framework.training import kept

KIND = "mlflow.experimentKind"
_VIEW = "mlflow.sharedViewState."
RUNS = "runs"
"""The view of single runs, with the children of a sweep below it."""
SETTINGS = "settings"
"""The view of settings: means over the runs that differ in their seed only."""
_NAMES = {RUNS: "Runs", SETTINGS: "Settings (means over seeds)"}
_SPLITS = (kept.VALIDATION, kept.TEST)
_FIGURES = ("accuracy", "r2", "loss")
"""What a table shows of each split: the first figure of classification and of regression, and the loss of both."""
_BEST = [f"best/{split.removeprefix(kept.PREFIX)}{_FIGURES[0]}" for split in _SPLITS]
"""What a table shows of a sweep: its parent run has figures of the best setting, under names of their own."""
_GROUP_BY = ("setting", "problem")
"""A setting's name leaves the problem out, and a mean over two problems would mean nothing."""
_SECTIONS = {
    "val": True,
    "train": True,
    kept.VALIDATION.rstrip("/"): True,
    kept.TEST.rstrip("/"): True,
    "kept": False,
    "kept/train": False,
    "time": False,
    "Model metrics": False,  # MLflow's name for metrics without a prefix
}
"""Sections of charts by the metrics' prefix, and whether they are open; further ones follow."""


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment: its kind, and the saved views."""
    now = int(time.time() * 1000)
    views = {RUNS: _state(_BEST), SETTINGS: {**_state(), "groupBy": _group_by()}}
    tags = {KIND: "custom_model_development"}
    for key, state in views.items():
        view = {"name": _NAMES[key], "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
        tags[_VIEW + key] = json.dumps(view)
    return tags


def addresses(server: str, experiment_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return addresses of an experiment's runs in the UI, by what they show.

    Args:
        server: the address of the UI.
        experiment_id: of the experiment.
        tags: its tags; where they hold none of our views, the one address is that of the table as MLflow shows it.
    """
    # MLflow 3.17 goes by the address, not by the experiment's kind.
    page = f"{server}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    if not {_VIEW + RUNS, _VIEW + SETTINGS} <= set(tags):
        return {"runs": page}
    settings = f"{page}&viewStateShareKey={SETTINGS}"
    return {
        "runs": f"{page}&viewStateShareKey={RUNS}",
        "means over seeds": settings,
        "charts of means": f"{settings}&compareRunsMode=CHART",
    }


def _group_by() -> dict[str, Any]:
    keys = [{"mode": "tag", "groupByData": tag} for tag in _GROUP_BY]
    return {"aggregateFunction": "average", "groupByKeys": keys}


def _state(more: Sequence[str] = ()) -> dict[str, Any]:
    """Return columns and charts as the UI's own state has them; ``more`` metrics are columns as well."""
    figures = [f"{split}{figure}" for figure in _FIGURES for split in _SPLITS]
    metrics = [f"metrics.`{figure}`" for figure in (*figures, *more)]
    columns = [*metrics, "attributes.`Duration`"]
    name = "attributes.`Run Name`"
    return {
        "selectedColumns": columns,
        "columnOrder": [name, *columns],
        "columnWidths": {name: 400, **dict.fromkeys(metrics, 130)},
        "compareRunSections": [
            {"uuid": key, "name": key, "display": shown, "isReordered": True, "deleted": False, "isGenerated": True}
            for key, shown in _SECTIONS.items()
        ],
        "compareRunCharts": [*_curves(), *_bars()],
        "isAccordionReordered": True,  # keep the sections' order
    }


def _curves() -> list[dict[str, Any]]:
    """Return charts of the losses, on a logarithmic axis: one poor setting would flatten all others."""
    return [
        {
            **_chart("LINE", section, "loss"),
            "lineSmoothness": 0,
            "xAxisScaleType": "linear",
            "scaleType": "log",
            "range": {},
            "xAxisKey": "step",
            "selectedXAxisMetricKey": "",
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "ignoreOutliers": False,
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for section in ("val", "train")
    ]


def _bars() -> list[dict[str, Any]]:
    """Return bar charts of figures that a run has once: MLflow would draw a curve of one point."""
    return [_chart("BAR", split.rstrip("/"), figure) for split in _SPLITS for figure in _FIGURES]


def _chart(kind: str, section: str, figure: str) -> dict[str, Any]:
    metric = f"{section}/{figure}"
    return {
        "uuid": metric,
        "type": kind,
        "metricKey": metric,
        "displayName": figure,
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }
