"""Tags that decide how MLflow's UI opens an experiment: as model training, with views of figures and of seed means.

By default MLflow opens an experiment among its tools for language models, with a table that has no column of figures.
An experiment that this framework creates therefore has a kind and two saved views, which MLflow stores as tags of the
experiment. A saved view has the format that the page's "Save as new view" writes: the state of the table and of the
charts. MLflow versions without saved views ignore them. A column or chart of a metric that no run has is not shown.
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
"""The view of settings: means over runs that differ only in their seed."""
_NAMES = {RUNS: "Runs", SETTINGS: "Settings (means over seeds)"}
_SPLITS = (kept.VALIDATION, kept.TEST)
_FIGURES = ("accuracy", "r2", "loss")
"""Table columns per split: the first figure of classification and of regression, and the loss of both."""
_BEST = [f"best/{split.removeprefix(kept.PREFIX)}{_FIGURES[0]}" for split in _SPLITS]
"""Table columns of a sweep: its parent run has figures of the best setting, under separate names."""
_GROUP_BY = ("setting", "problem")
"""The problem is included because a setting's name omits it, and a mean over two problems is meaningless."""
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
"""Sections of charts by metric prefix, and whether they are open; the UI appends further sections."""


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
    """Return addresses of an experiment's pages in the UI, by title.

    Args:
        server: the address of the UI.
        experiment_id: MLflow's id of the experiment.
        tags: its tags; unless they hold both saved views, the only address is that of MLflow's default table.
    """
    # MLflow 3.17 decides by the address, not by the experiment's kind.
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
    """Return the columns and charts in the format of the UI's state; ``more`` are further metrics shown as columns."""
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
    """Return line charts of the losses; the axis is logarithmic, because one poor setting would flatten all others."""
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
    """Return bar charts of figures with one value per run, for which a line chart would have a single point."""
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
