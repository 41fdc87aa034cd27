"""Several runs are stored with one transaction: a kill or an error of it loses nothing and repeats nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from deliveries import assert_delivered
from processes import PATIENCE
from test_outages import sweep
from test_tracking import begin, measure

from framework.runs.cursor import Cursor
from framework.tracking.client import sync
from framework.tracking.delivery import Delivery, UnreachableError, asking
from framework.tracking.entities import KEY_TAG, LogBatch
from framework.tracking.sqlite_calls import SqliteCalls
from framework.tracking.store import Store
from framework.tracking.writer import Writer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts

TAGS = {"mlflow.runName": "adam", "mlflow.user": "me"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own parts when they are imported
        return Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'runs.db'}")


@pytest.fixture
def calls(store: Store) -> SqliteCalls:
    assert isinstance(store.calls, SqliteCalls)
    return store.calls


def folder_of(store: Store) -> Path:
    return Path(store.uri.removeprefix("sqlite:///")).parent


def known(store: Store, run: str) -> dict[str, str] | None:
    """Return the params of a run as another process finds them."""
    with closing(sqlite3.connect(folder_of(store) / "runs.db")) as connection:
        if connection.execute("SELECT 1 FROM runs WHERE run_uuid = ?", (run,)).fetchone() is None:
            return None
        return dict(connection.execute('SELECT "key", value FROM params WHERE run_uuid = ?', (run,)))


def test_held_calls_take_effect_together_and_each_as_a_whole(store: Store, calls: SqliteCalls) -> None:
    place = store.experiment("held")
    calls.hold()
    first, second = (calls.create_run(place, 1, TAGS) for _ in range(2))
    calls.log_batch(first, LogBatch(params={"a": "1"}))
    with pytest.raises(Exception, match="surrogates"):
        calls.log_batch(second, LogBatch(params={"b": "1"}, tags={"bad": "\ud800"}))
    calls.log_batch(second, LogBatch(params={"c": "1"}))
    assert known(store, first) is None
    calls.keep()
    assert (known(store, first), known(store, second)) == ({"a": "1"}, {"c": "1"})
    calls.log_batch(second, LogBatch(params={"d": "1"}))
    assert known(store, second) == {"c": "1", "d": "1"}


def test_an_error_that_ends_the_transaction_ends_all_held_calls(store: Store, calls: SqliteCalls) -> None:
    place = store.experiment("lost")
    calls.hold()
    first = calls.create_run(place, 1, TAGS)
    with pytest.raises(sqlite3.OperationalError, match="disk is full"), calls._transaction():
        calls._connection.execute("ROLLBACK")  # as SQLite does
        raise sqlite3.OperationalError("database or disk is full")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        calls.create_run(place, 1, TAGS)
    with pytest.raises(UnreachableError, match="disk is full"), asking():
        calls.keep()
    assert known(store, first) is None
    assert known(store, calls.create_run(place, 1, TAGS)) == {}


def test_a_repeated_creation_returns_the_same_run_until_it_is_deleted(store: Store, calls: SqliteCalls) -> None:
    place, key = store.experiment("repeated"), "0123456789abcdef" * 2
    runs = [calls.create_run(place, 1, TAGS | {KEY_TAG: key}) for _ in range(2)]
    assert runs[0] == runs[1]
    store.client.delete_run(runs[0])
    assert calls.create_run(place, 1, TAGS | {KEY_TAG: key}) != runs[0]


def test_what_needs_the_client_ends_the_transaction(store: Store, calls: SqliteCalls) -> None:
    calls.hold()
    run = calls.create_run(store.experiment("here"), 1, TAGS)
    store.experiment("made by MLflow")  # it would wait for the lock
    assert known(store, run) == {}
    calls.keep()


class Failing:
    """Calls whose first transactions fail when they end."""

    def __init__(self, calls: SqliteCalls, times: int) -> None:
        self._calls, self._times = calls, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    def keep(self) -> None:
        if self._calls._connection.in_transaction and self._times:
            self._times -= 1
            self._calls._connection.execute("ROLLBACK")
            self._calls.held = False
            raise sqlite3.OperationalError("database or disk is full")
        self._calls.keep()


@pytest.mark.parametrize("times", [1, 2])
def test_runs_of_a_transaction_that_failed_are_sent_again(times: int, store: Store, tmp_path: Path) -> None:
    experiment = f"failed {times} times"
    folders = sweep(tmp_path / "sweep", experiment)
    lines = [json.dumps(line) for line in ({"uri": store.uri}, *({"follow": str(folder)} for folder in folders))]
    reading, writing = os.pipe()
    with os.fdopen(reading) as commands, os.fdopen(writing, "w") as trainer, io.StringIO() as answers:
        writer = Writer(commands, answers)
        writer._store = Store(store.uri)
        writer._store.calls = Failing(writer._store.calls, times)  # type: ignore[assignment,arg-type]
        trainer.write("\n".join(lines) + "\n")
        trainer.close()
        writer.run()
    assert writer._problems == []
    assert_delivered(store.client, experiment, folders)


KILLED = """
import os, signal, sys
from framework.tracking import delivery, sqlite_calls, writer

def dying(function):
    calls = []
    def call(*words):
        calls.append(words)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*words)
    return call

place = {"keep": sqlite_calls.SqliteCalls, "log_artifact": sqlite_calls.SqliteCalls, "save": delivery.Delivery}
setattr(place[sys.argv[1]], sys.argv[1], dying(getattr(place[sys.argv[1]], sys.argv[1])))
claim = writer.Writer._claim
writer.Writer._claim = lambda self: (self._opened(), claim(self))
writer.main()
"""


@pytest.mark.parametrize("moment", ["log_artifact", "keep", "save"])
def test_a_killed_writer_leaves_nothing_twice(moment: str, store: Store, tmp_path: Path) -> None:
    """It is killed while it sends runs, before they are stored, and before it saves that they are stored."""
    experiment = f"killed in {moment}"
    folders = sweep(tmp_path / "sweep", experiment)
    for folder in folders[1:]:
        (folder / "curves.png").write_text("picture")
        with (folder / "journal.jsonl").open() as file:
            *lines, last = file.readlines()
        artifact = json.dumps({"kind": "artifact", "time": 3.0, "path": "curves.png", "to": ""})
        (folder / "journal.jsonl").write_text("".join([*lines, artifact, "\n", last]))
    place = store.experiment(experiment)
    commands = [{"uri": store.uri}, *({"follow": str(folder)} for folder in folders)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment],
        input="".join(json.dumps(command) + "\n" for command in commands),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    saved = [Cursor.load(folder) for folder in folders[1:]]
    assert [cursor.run_id if cursor else None for cursor in saved] == [None] * 3
    there = store.client.search_runs([place])
    assert len(there) == (4 if moment == "save" else 1)
    assert sync([tmp_path / "sweep"], store.uri).problems == []
    assert_delivered(store.client, experiment, folders)
    runs = {run.info.run_id for run in store.client.search_runs([place])}
    artifacts = folder_of(store) / "mlartifacts" / experiment.replace(" ", "_")
    assert {path.name for path in artifacts.iterdir()} <= runs | {"models"}
    assert len(list((artifacts / "models").iterdir())) == 1


def test_many_live_runs_are_stored_while_they_train(store: Store, tmp_path: Path) -> None:
    """The parent is created first, its runs in the next round, more than one transaction has."""
    top = tmp_path / "sweep"
    begin(top, "sweep", experiment="many").write("end", status="FINISHED")
    folders = [top]
    for number in range(60):
        folders.append(top / str(number))
        journal = begin(top / str(number), str(number), experiment="many", parent=top)
        measure(journal, 10, 20)
        journal.write("end", status="FINISHED")
    assert sync([top], store.uri).problems == []
    assert_delivered(store.client, "many", folders)


def test_problems_are_reported_once_although_the_database_cannot_be_closed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SqliteCalls) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SqliteCalls, "close", full)
    journal = begin(tmp_path / "run", "run", experiment="closed")
    measure(journal, 1, 3)
    for _ in range(2):
        journal.write("artifact", path="missing.png", to="")
    journal.write("end", status="FINISHED")
    words = [{"uri": store.uri}, {"follow": str(tmp_path / "run")}]
    answers = io.StringIO()
    Writer(io.StringIO("".join(json.dumps(each) + "\n" for each in words)), answers).run()
    problems = [answer["problem"] for answer in map(json.loads, answers.getvalue().splitlines()) if "problem" in answer]
    assert len(problems) == 2
    assert "missing.png" in problems[0]
    assert "is not closed: database or disk is full" in problems[1]


def test_a_deleted_run_is_refused_what_it_is_sent_and_nothing_else(store: Store, tmp_path: Path) -> None:
    journal, delivery = begin(tmp_path / "run", "run", experiment="deleted"), Delivery(tmp_path / "run", store.uri)
    measure(journal, 1, 3)
    assert delivery.claim()
    delivery.poll()
    delivery.send(store)
    store.client.delete_run(str(delivery.cursor.run_id))
    measure(journal, 4, 6)
    journal.write("end", status="FINISHED")
    delivery.poll()
    delivery.send(store)
    delivery.close()
    refused = [problem.partition("refused its ")[2].partition(":")[0] for problem in delivery.problems]
    assert refused == ["metrics", "status"]
