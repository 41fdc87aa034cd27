"""What a new experiment in MLflow is created with: its kind, and saved views in the form that the UI writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from framework.tracking.experiment_views import addresses, experiment_tags

VIEW = "mlflow.sharedViewState."
LONGEST = 5000
"""MLflow 3.7's limit of an experiment tag; later versions take more."""


def state(key: str) -> dict[str, Any]:
    view = json.loads(experiment_tags()[VIEW + key])
    assert view["name"]
    assert isinstance(view["createdAt"], int)
    return dict(json.loads(view["state"]))


def test_the_kind_is_model_training() -> None:
    assert experiment_tags()["mlflow.experimentKind"] == "custom_model_development"


@pytest.mark.parametrize("key", ["runs", "settings"])
def test_a_view_is_whole_and_not_too_long(key: str) -> None:
    assert len(experiment_tags()[VIEW + key]) < LONGEST
    found = state(key)
    assert {"metrics.`kept/val/accuracy`", "metrics.`test/accuracy`"} <= set(found["selectedColumns"])
    assert set(found["selectedColumns"]) <= set(found["columnOrder"])
    charts = found["compareRunCharts"]
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert {chart["metricSectionId"] for chart in charts} <= {
        section["uuid"] for section in found["compareRunSections"]
    }


def test_settings_are_means_over_runs_of_one_setting_and_problem() -> None:
    grouping = state("settings")["groupBy"]
    assert grouping["aggregateFunction"] == "average"
    assert [(key["mode"], key["groupByData"]) for key in grouping["groupByKeys"]] == [
        ("tag", "setting"),
        ("tag", "problem"),
    ]
    assert "groupBy" not in state("runs")


def test_addresses_open_the_views_where_there_are_any() -> None:
    page = "http://h:5000/#/experiments/7/runs?workflowType=machine_learning"
    assert addresses("http://h:5000", "7", experiment_tags()) == {
        "runs": f"{page}&viewStateShareKey=runs",
        "means over seeds": f"{page}&viewStateShareKey=settings",
        "charts of means": f"{page}&viewStateShareKey=settings&compareRunsMode=CHART",
    }
    assert addresses("http://h:5000", "7", {"team": "red"}) == {"runs": page}
