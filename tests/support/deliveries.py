"""Comparison of what an MLflow store has with the journals of runs."""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from framework.runs.cursor import run_id
from framework.runs.journal import Entry, read_journal, sweep_of
from framework.tracking import entities
from framework.tracking.client import pending


def assert_delivered(client: Any, experiment: str, folders: Iterable[Path]) -> None:
    """Assert that an experiment has the runs of these folders and no others, with all that their journals hold.

    Args:
        client: an `MlflowClient`.
        experiment: the experiment's name.
        folders: folders of runs and sweeps.
    """
    folders = list(folders)
    place = client.get_experiment_by_name(experiment)
    runs = {run.info.run_id: run for run in client.search_runs([place.experiment_id], max_results=10_000)}
    assert sorted(runs) == sorted(str(run_id(folder)) for folder in folders)
    models = Counter(m.source_run_id for m in client.search_logged_models([place.experiment_id], max_results=50))
    for folder in folders:
        assert not pending(folder)
        run = runs[run_id(folder)]
        entries = read_journal(folder)
        start = entries[0].content
        assert run.info.status == entries[-1].content["status"]
        assert run.data.params == {entities.accepted_key(key): str(value) for key, value in start["params"].items()}
        wanted = {**start["tags"]}
        for entry in _of(entries, "tags"):
            wanted |= entry.content["values"]
        assert {name: run.data.tags.get(name) for name in wanted} == wanted
        sweep = sweep_of(folder, entries[0])
        assert run.data.tags.get("mlflow.parentRunId") == (run_id(sweep) if sweep else None)
        for name, points in _points(entries).items():
            found = [(p.step, p.value, p.timestamp) for p in client.get_metric_history(run.info.run_id, name)]
            assert sorted(found) == sorted(points), (folder, name)
        assert set(run.data.metrics) == set(_points(entries))
        places = [(entry.content["to"] or "", Path(entry.content["path"]).name) for entry in _of(entries, "artifact")]
        files = {item.path for to in {to for to, _ in places} for item in client.list_artifacts(run.info.run_id, to)}
        assert {posixpath.join(*place) for place in places} <= files
        assert models[run.info.run_id] == len(_of(entries, "model"))
        assert len(run.inputs.dataset_inputs) == (1 if start["dataset"] else 0)
        assert len(run.outputs.model_outputs if run.outputs else []) == len(_of(entries, "model"))


def _of(entries: list[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry.kind == kind]


def _points(entries: list[Entry]) -> dict[str, list[tuple[int, float, int]]]:
    """Return step, value and time of each point that MLflow should have, by the metric's name."""
    points: dict[str, list[tuple[int, float, int]]] = {}
    for entry in _of(entries, "metrics"):
        content = entry.content
        values = {**content["values"], **({} if content["epoch"] is None else {"epoch": content["epoch"]})}
        for name, value in values.items():
            if value is not None and not math.isinf(value):
                point = (content["step"], float(value), entities.milliseconds(entry.time))
                points.setdefault(entities.accepted_key(name), []).append(point)
    return points
