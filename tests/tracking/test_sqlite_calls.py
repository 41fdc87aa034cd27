"""The SQL statements that write runs leave the same rows and files as MLflow's own client."""

from __future__ import annotations

import math
import os
import re
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas
import pytest
from test_tracking import begin, measure, predictor

import framework
from framework.errors import TrackingError
from framework.runs.cursor import Cursor, run_id
from framework.tracking.calls import Calls, ClientCalls
from framework.tracking.client import _EARLY, start_early, sync
from framework.tracking.delivery import UnreachableError, asking
from framework.tracking.entities import RETRIES, LogBatch, log_model
from framework.tracking.sqlite_calls import SqliteCalls
from framework.tracking.store import Store, _prepare_database

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts

TAGS = {"mlflow.runName": "adam", "mlflow.user": "ä", "optimizer": "adam"}
DATASET = {"name": "digits", "source": "https://host/x", "digest": "d" * 40, "samples": {"train": 9}, "task": None}
KINDS = ("runs", "tags", "params", "metrics", "latest_metrics")
PATHS = ("client", "statements")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are imported
        return Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'a%20b' / 'runs.db'}".replace("%", "%25"))


def database(store: Store) -> Path:
    return Path(store.uri.removeprefix("sqlite:///").replace("%25", "%"))


@pytest.fixture
def calls(store: Store) -> dict[str, Calls]:
    assert isinstance(store.calls, SqliteCalls)
    return {"client": ClientCalls(store.client), "statements": store.calls}


def rows(store: Store, table: str, run: str) -> list[tuple[Any, ...]]:
    """Return a run's rows of a table, without the run's id and its experiment's."""
    with closing(sqlite3.connect(database(store))) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run,)).fetchall()  # noqa: S608
    plain = [{key: row[key] for key in row.keys() if key not in ("run_uuid", "experiment_id")} for row in found]  # noqa: SIM118
    kept = [{key: value for key, value in row.items() if key != "artifact_uri"} for row in plain]
    return sorted(tuple((key, type(value), value) for key, value in row.items()) for row in kept)


def inputs(store: Store, run: str) -> list[dict[str, Any]]:
    found = store.client.get_run(run).inputs.dataset_inputs
    return [entry.to_dictionary() for entry in found]


def point(step: int, value: float, time: int = 1000, name: str = "val/loss") -> tuple[str, float, int, int]:
    return name, value, time, step


def several(store: Store, calls: Calls, run: str, folder: Path) -> None:
    """Deliver a run in several calls, some of which arrive twice or late."""
    first = LogBatch(
        params={f"p{place}": str(place) for place in range(150)} | {"empty": "", "ä": "x" * 6000},
        tags={"optimizer": "sgd", "empty": "", "mlflow.note.content": "**note**"},
        metrics=[point(step, 1 / step) for step in range(1, 1201)] + [point(3, 1.0, name="b"), point(3, 2.0, name="b")],
    )
    calls.log_batch(run, first)
    calls.log_batch(run, first)
    late = [
        point(1200, 9.0, 999),
        point(7, -1.0),
        point(1200, 1 / 1200),
        point(5, 0.5, 2000, "b"),
        point(4, 7.0, 9, "b"),
    ]
    calls.log_batch(run, LogBatch(metrics=late, params={"p1": "1", "new": "y"}, tags={"mlflow.runName": "renamed"}))
    calls.log_batch(run, LogBatch(metrics=[point(1, math.nan, name="c"), point(2, math.nan), point(1, 2, name="d")]))
    calls.log_batch(run, LogBatch(metrics=[point(1, math.nan, name="c"), point(1, -5.0, name="c")]))
    for _ in range(2):
        calls.log_dataset(run, DATASET)
    calls.log_artifact(run, folder / "a.txt", "")
    calls.log_artifact(run, folder / "a.txt", "to/there")
    calls.log_artifact(run, folder / "sub", "")
    calls.log_artifact(run, folder, "all of it")
    calls.end_run(run, "FAILED", 5000)


def test_statements_leave_what_the_client_leaves(store: Store, calls: dict[str, Calls], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "sub" / "b.txt").write_text("B")
    runs = {}
    for path, which in calls.items():
        runs[path] = which.create_run(store.experiment(f"of {path}"), 1234, TAGS)
        several(store, which, runs[path], tmp_path)
    theirs, ours = runs["client"], runs["statements"]
    for table in KINDS:
        assert rows(store, table, ours) == rows(store, table, theirs), table
    assert len(rows(store, "metrics", ours)) == 1200 + 2 + 4 + 3 + 1
    assert inputs(store, ours) == inputs(store, theirs)
    assert len(inputs(store, ours)) == 1
    places = [Path(store.client.download_artifacts(run, "")) for run in (ours, theirs)]
    files = [{p.relative_to(place): p.read_text() for p in place.rglob("*") if p.is_file()} for place in places]
    assert files[0] == files[1]
    assert len(files[0]) == 5
    uris = [store.client.get_run(run).info.artifact_uri.replace(run, "") for run in (ours, theirs)]
    assert uris[0].replace("of_statements", "of_client") == uris[1]
    again = calls["statements"].create_run(store.experiment("of statements"), 1, TAGS)
    calls["statements"].log_dataset(again, DATASET)
    assert inputs(store, again) == inputs(store, ours)


@pytest.mark.parametrize("path", PATHS)
def test_what_mlflow_refuses_is_refused(path: str, store: Store, calls: dict[str, Calls], tmp_path: Path) -> None:
    which, saved = calls[path], tmp_path / "model"
    predictor().save(saved)
    run = which.create_run(store.experiment("refusals"), 1, TAGS)
    which.log_batch(run, LogBatch(params={"a": "1"}))
    with pytest.raises(TrackingError), asking():
        which.log_batch(run, LogBatch(params={"b": "1", "a": "2"}, tags={"t": "1"}))
    assert store.client.get_run(run).data.params == {"a": "1"}
    assert "t" not in store.client.get_run(run).data.tags
    store.client.delete_run(run)
    deliveries: list[Callable[[], object]] = [
        lambda: which.log_batch(run, LogBatch(metrics=[point(1, 1.0)])),
        lambda: which.log_dataset(run, DATASET),
        lambda: which.end_run(run, "FINISHED", 1),
        lambda: which.log_model(store.experiment("refusals"), run, saved, None),
    ]
    for deliver in deliveries:
        with pytest.raises(TrackingError) as caught, asking():
            deliver()
        assert not isinstance(caught.value, UnreachableError)
    assert not list(database(store).parent.rglob(f"m-{run}"))
    place = store.experiment(f"deleted {path}")
    store.client.delete_experiment(place)
    with pytest.raises(TrackingError), asking():
        which.create_run(place, 1, TAGS)


def test_a_batch_is_stored_as_a_whole_or_not_at_all(store: Store, calls: dict[str, Calls]) -> None:
    which = calls["statements"]
    run = which.create_run(store.experiment("whole"), 1, TAGS)
    with pytest.raises(TrackingError), asking():
        which.log_batch(run, LogBatch(params={"a": "1"}, metrics=[point(1, 1.0)], tags={"bad": "\ud800"}))
    data = store.client.get_run(run).data
    assert (data.params, data.metrics) == ({}, {})


def test_a_lock_is_an_outage(store: Store, calls: dict[str, Calls]) -> None:
    which = calls["statements"]
    run = which.create_run(store.experiment("locked"), 1, TAGS)
    with closing(sqlite3.connect(database(store))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert isinstance(which, SqliteCalls)
        which._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(UnreachableError, match="database is locked"), asking():
            which.end_run(run, "FINISHED", 1)
        which._connection.execute("PRAGMA busy_timeout = 20000")
    which.end_run(run, "FINISHED", 1)
    assert store.client.get_run(run).info.status == "FINISHED"


def test_artifacts_outside_of_local_folders_are_left_to_the_client(
    store: Store, calls: dict[str, Calls], tmp_path: Path
) -> None:
    place = store.client.create_experiment("elsewhere", artifact_location=str(tmp_path / "plain?path"))
    (tmp_path / "a.txt").write_text("A")
    run = calls["statements"].create_run(place, 1, TAGS)
    calls["statements"].log_artifact(run, tmp_path / "a.txt", "")
    assert [item.path for item in store.client.list_artifacts(run)] == ["a.txt"]
    with pytest.raises(FileNotFoundError):
        calls["statements"].log_artifact(run, tmp_path / "b.txt", "")


def model_rows(store: Store, model: Any) -> list[Any]:
    """Return the rows of a logged model in all tables, without ids, addresses and times."""
    with closing(sqlite3.connect(database(store))) as connection:
        columns = "experiment_id, name, status, lifecycle_stage, model_type, status_message"
        found = [connection.execute(f"SELECT {columns} FROM logged_models WHERE model_id = ?", (model.model_id,))]  # noqa: S608
        query = "SELECT experiment_id, param_key, param_value FROM logged_model_params WHERE model_id = ? ORDER BY 2"
        found.append(connection.execute(query, (model.model_id,)))
        for table in ("logged_model_tags", "logged_model_metrics"):
            found.append(connection.execute(f"SELECT * FROM {table} WHERE model_id = ?", (model.model_id,)))  # noqa: S608
        query = "SELECT source_type, destination_type, step FROM inputs WHERE source_id = ? AND destination_id = ?"
        found.append(connection.execute(query, (model.source_run_id, model.model_id)))
        return [rows.fetchall() for rows in found]


def model_folder(model: Any) -> Path:
    return Path(url2pathname(urlsplit(model.artifact_location).path))


def model_files(model: Any) -> dict[str, str | bytes]:
    """Return the files of a logged model; ids, times and the size, in which MLflow counts its caches, are replaced."""
    top = model_folder(model)
    files: dict[str, str | bytes] = {}
    for path in (path for path in top.rglob("*") if path.is_file()):
        name, content = path.relative_to(top).as_posix(), path.read_bytes()
        files[name] = content
        if name == "MLmodel":
            text = content.decode().replace(model.model_id, "MODEL").replace(model.source_run_id, "RUN")
            files[name] = re.sub(r"(utc_time_created|model_size_bytes): .*", r"\1", text)
    return files


EXAMPLES: dict[str, tuple[np.ndarray | None, list[str]]] = {
    "floats": (np.arange(8.0, dtype=np.float32).reshape(2, 4), []),
    "bytes": (np.arange(8, dtype=np.uint8).reshape(2, 4), []),
    "table": (np.array([[1.5, -2.0, 1e-9, 3.0]]), ["a b", "ä", "c", "d"]),
    "incomplete": (np.array([[1.5, math.nan, 0.0, 3.0]]), []),
    "none": (None, []),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow, about what it logs
@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_model_is_logged_as_the_client_logs_it(
    kind: str, store: Store, calls: dict[str, Calls], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv(RETRIES, "0")
    example, columns = EXAMPLES[kind]
    predictor(columns).save(tmp_path / "model")
    path = None if example is None else tmp_path / "model" / "example.npy"
    if path is not None:
        np.save(path, example)
    place, models = store.experiment(f"model {kind}"), {}
    for which in PATHS:
        run = calls[which].create_run(place, 1, TAGS)
        calls[which].log_batch(run, LogBatch(params={"p": "1", "empty": ""}))
        for _ in range(2):
            calls[which].log_model(place, run, tmp_path / "model", path)
        (models[which],) = store.client.search_logged_models([place], f"source_run_id = '{run}'")
    theirs, ours = models["client"], models["statements"]
    assert model_rows(store, ours) == model_rows(store, theirs)
    assert model_files(ours) == model_files(theirs)
    assert ours.artifact_location.replace(ours.model_id, theirs.model_id) == theirs.artifact_location
    # MLflow cannot load from a path with a percent sign.
    copies = [shutil.copytree(model_folder(model), tmp_path / model.model_id) for model in (ours, theirs)]
    loaded = [mlflow.pyfunc.load_model(str(copy)) for copy in copies]
    inputs = pandas.DataFrame(np.ones((3, 4)), columns=columns) if columns else np.ones((3, 4))
    assert loaded[0].predict(inputs).tobytes() == loaded[1].predict(inputs).tobytes()
    assert store.client.get_run(ours.source_run_id).outputs.model_outputs[0].model_id == ours.model_id


def test_a_database_with_known_tables_needs_no_import_of_mlflow(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = store.experiment("no import")
    (tmp_path / "first" / "mlflow").mkdir(parents=True)
    (tmp_path / "first" / "mlflow" / "__init__.py").write_text("raise ImportError('MLflow is not needed')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "first"), os.environ.get("PYTHONPATH", "")]))
    for name in ("run", "again"):  # the second begins its delivery as one that was interrupted
        journal = begin(tmp_path / name, experiment="no import", dataset=DATASET)
        measure(journal, 1, 2)
        predictor().save(tmp_path / name / "model")
        journal.write("model", path="model", input_example=None)
        journal.write("end", status="FINISHED")
    Cursor(store.uri).begin(tmp_path / "again")
    start_early(store.uri)
    assert _EARLY == []
    assert sync([tmp_path], store.uri).problems == []
    runs = {str(run_id(tmp_path / name)) for name in ("run", "again")}
    assert {model.source_run_id for model in store.client.search_logged_models([place])} == runs
    journal = begin(tmp_path / "elsewhere", experiment="another, not made yet")
    journal.write("end", status="FINISHED")
    assert "MLflow is not needed" in sync([tmp_path / "elsewhere"], store.uri).problems[0]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow, about what it logs
def test_a_model_is_logged_without_a_list_of_installed_packages(
    store: Store, calls: dict[str, Calls], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    lists: list[bool] = []
    monkeypatch.setenv(RETRIES, "0")
    monkeypatch.setattr("mlflow.utils.requirements_utils._MODULES_TO_PACKAGES", None)
    monkeypatch.setattr("importlib_metadata.packages_distributions", lambda: lists.append(True) or {})
    predictor().save(tmp_path / "model")
    place = store.experiment("models")
    run = calls["statements"].create_run(place, 1, TAGS)
    log_model(store.client, place, run, tmp_path / "model", None)
    (model,) = store.client.search_logged_models([place])
    text = mlflow.artifacts.load_text(f"{model.artifact_location}/requirements.txt")
    assert {"numpy", f"{framework.DISTRIBUTION}=={framework.__version__}"} <= set(text.split())
    assert lists == []


def test_other_tables_are_left_to_the_client(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database(store))) as source, closing(sqlite3.connect(tmp_path / "new.db")) as copy:
        source.backup(copy)
    assert isinstance(Store(f"sqlite:///{tmp_path}/new.db").calls, SqliteCalls)
    assert isinstance(Store(f"sqlite:///{tmp_path}/new.db?timeout=5").calls, ClientCalls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("framework.tracking.sqlite_calls.REVISIONS", {"another"})
        assert isinstance(Store(f"sqlite:///{tmp_path}/new.db").calls, ClientCalls)


@pytest.mark.parametrize(("local", "mode"), [(True, "wal"), (False, "delete")], ids=["local", "network"])
def test_a_new_database_has_a_write_ahead_log_on_local_disks_only(
    local: bool, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framework.tracking.store.is_local", lambda path: local)
    _prepare_database(tmp_path / "new.db", tmp_path / "unfinished")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchall() == [(mode,)]


def test_a_copy_of_the_database_is_complete_after_delivery(store: Store, tmp_path: Path) -> None:
    journal = begin(tmp_path / "run", experiment="copied")
    measure(journal, 1, 2)
    journal.write("end", status="FINISHED")
    assert sync([tmp_path / "run"], store.uri).problems == []
    shutil.copy(database(store), tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        query = "SELECT status FROM runs WHERE run_uuid = ?"
        assert connection.execute(query, (run_id(tmp_path / "run"),)).fetchall() == [("FINISHED",)]
