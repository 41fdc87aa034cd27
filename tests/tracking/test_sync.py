"""Delivery later: folders from strangers, damaged journals, other stores, moved projects; a real writer and store."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_tracking import begin, measure

from framework.errors import FrameworkError, InputError
from framework.runs.content import JournalContent
from framework.runs.cursor import Cursor, run_id
from framework.runs.journal import FILE, Journal, read_journal
from framework.runs.result import read_run
from framework.tracking import delivery, entities
from framework.tracking.calls import ClientCalls
from framework.tracking.client import Tracker, pending, sync
from framework.tracking.store import resolve_uri
from framework.tracking.waiting import Waiting

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts

ELSEWHERE = "http://127.0.0.1:9/theirs"


def ended(folder: Path, name: str = "run", **content: Any) -> Journal:
    """Write the journal of a run without an epoch."""
    journal = begin(folder, name, **content)
    journal.write("end", status="FINISHED")
    return journal


def hostile(folder: Path, secret: Path) -> None:
    """Write the journal of a run that names files outside of its folder, and one inside."""
    journal = begin(folder, "hostile")
    (folder / "links").mkdir()
    (folder / "links" / "a.txt").symlink_to(secret)
    (folder / "link.txt").symlink_to(secret)
    (folder / "own.txt").write_text("own")
    (folder / "model").mkdir()
    os.mkfifo(folder / "pipe")
    up = os.path.relpath(secret, folder)
    for path in (str(secret), up, "links", "link.txt", "pipe", "model/../own.txt", "own.txt"):
        journal.write("artifact", path=path, to="")
    journal.write("artifact", path="own.txt", to="../../up")
    journal.write("model", path=str(secret.parent), input_example=None)
    journal.write("model", path="model", input_example=up)
    journal.write("end", status="FINISHED")


def damage(folder: Path, line: str) -> None:
    with (folder / FILE).open("a") as file:
        file.write(line)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder of good and bad runs, delivered once; with the result and the working folder."""
    home = tmp_path_factory.mktemp("project")
    secret = tmp_path_factory.mktemp("outside") / "secret.txt"
    secret.write_text("private")
    runs = home / "outputs"
    hostile(runs / "hostile", secret)
    ended(runs / "damaged")
    damage(runs / "damaged", '{"kind": "metrics", "time": 1, "step": "one", "epoch": 1, "values": {}}\n')
    begin(runs / "headless")
    (runs / "headless" / FILE).write_text('{"kind": "start", "time": 1}\n')
    for name in ("pipe", "folder", "empty", "torn"):
        (runs / name).mkdir()
    os.mkfifo(runs / "pipe" / FILE)
    (runs / "folder" / FILE).mkdir()
    (runs / "empty" / FILE).touch()
    damage(runs / "torn", '{"kind": "start"')
    ended(runs / "marked")
    (runs / "marked" / "mlflow.json").write_text('{"tracking_uri": 5}')
    for name in ("theirs", "theirs/0"):
        ended(runs / name, parent=".." if name.endswith("0") else None)
    Cursor(ELSEWHERE).save(runs / "theirs")
    other = ended(tmp_path_factory.mktemp("other") / "sweep").folder
    ended(runs / "child", parent=str(other))
    sweep = ended(runs / "sweep").folder
    ended(sweep / "0", parent="..")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        uri = resolve_uri()
        done = sync([runs])
    yield SimpleNamespace(home=home, runs=runs, secret=secret, other=other, done=done, uri=uri)


def lines_about(project: Any, name: str) -> list[str]:
    return [line for line in project.done.problems if line.startswith(f"{project.runs / name}")]


def test_no_file_outside_of_the_run_is_sent(project: Any) -> None:
    found = lines_about(project, "hostile")
    refused = [line.partition("refused its ")[2].partition(": ") for line in found]
    assert [what.rpartition("/")[2] for what, _, _ in refused] == [
        "secret.txt", "secret.txt", "artifact links", "artifact link.txt", "artifact pipe", "own.txt",
        "artifact own.txt", "model", "model",
    ]  # fmt: skip
    assert all("\n" not in line for line in found)
    cursor = Cursor.load(project.runs / "hostile")
    assert cursor is not None and cursor.run_id is not None and cursor.ended
    stored = [path for path in (project.home / "mlartifacts").rglob("*") if path.is_file()]
    assert [path.name for path in stored if cursor.run_id in path.parts] == ["own.txt"]
    assert not any(path.read_bytes() == project.secret.read_bytes() for path in stored)


def test_a_bad_journal_is_one_line_and_blocks_no_other(project: Any) -> None:
    for name, reason in {
        "damaged": "is damaged at byte",
        "headless": "name of a start entry has another type",
        "pipe": "not a regular file",
        "folder": "not a regular file",
        "marked": "mlflow.json is damaged (tracking_uri is not valid)",
    }.items():
        (line,) = lines_about(project, name)
        assert reason in line
        assert "\n" not in line
    assert lines_about(project, "empty") + lines_about(project, "torn") == []
    sweep = project.runs / "sweep"
    assert set(project.done.delivered) == {sweep, sweep / "0", project.runs / "child", project.runs / "hostile"}


def test_a_run_that_never_began_is_left_alone(project: Any) -> None:
    for name in ("empty", "torn"):
        assert not pending(project.runs / name)
        assert [path.name for path in (project.runs / name).iterdir()] == [FILE]


def test_nothing_is_sent_to_a_store_that_only_the_folder_names(project: Any) -> None:
    theirs = project.runs / "theirs"
    (line,) = [line for line in project.done.problems if ELSEWHERE in line]
    assert line == (
        f"2 journals below {theirs} are not sent: recorded for {ELSEWHERE}, and the store here is {project.uri}; "
        f"`python -m framework sync {theirs} --uri {ELSEWHERE}` delivers there"
    )
    assert Cursor.load(theirs / "0") is None
    assert Waiting([theirs], ELSEWHERE).folders == [theirs, theirs / "0"]


def test_a_journal_does_not_make_other_folders_be_delivered(project: Any) -> None:
    assert Cursor.load(project.other) is None
    assert Cursor.load(project.runs / "child") is not None
    with sqlite3.connect(project.home / "mlflow.db") as database:
        query = "select t.value from tags t where t.key = 'mlflow.parentRunId'"
        assert database.execute(query).fetchall() == [(run_id(project.runs / "sweep"),)]
    database.close()


def test_the_store_is_recorded_when_a_journal_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framework.tracking.client._spawn", lambda: (_ for _ in ()).throw(OSError("no process")))
    sweep = begin(tmp_path / "sweep").folder
    with Tracker("http://me:hunter2@127.0.0.1:9") as tracker:
        tracker.follow(sweep)
        tracker.follow(sweep / "0")
        ended(sweep / "0", parent="..")
        (problem,) = tracker.finish()
    assert "hunter2" not in problem
    assert "set MLFLOW_TRACKING_URI to this address with its credentials, then `python -m framework sync" in problem
    found = Waiting([tmp_path])
    assert found.folders == []
    (line,) = found.problems
    assert "2 journals" in line
    assert "recorded for http://me:***@127.0.0.1:9" in line
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:9")
    assert Waiting([tmp_path]).folders == [sweep, sweep / "0"]
    assert resolve_uri("http://me:***@127.0.0.1:9") == "http://me:hunter2@127.0.0.1:9"


def whole_journal(folder: Path) -> bytes:
    """Write a journal with every kind of entry."""
    data = {"name": "digits", "source": "scikit-learn", "digest": "abc", "samples": {"train": 9}, "task": "x"}
    journal = begin(folder, dataset=data, description="text", parent="..")
    (folder / "config.yaml").write_text("keep: last\n")
    measure(journal, 10, 20)
    journal.write("metrics", step=20, epoch=None, values={"kept/val/loss": 0.5, "kept/epoch": 2})
    journal.write("tags", values={"ended": "budget"})
    journal.write("description", text="more")
    journal.write("artifact", path="config.yaml", to="")
    journal.write("model", path="model", input_example="model/example.npy")
    journal.write("end", status="FINISHED")
    return (folder / FILE).read_bytes()


STRANGE = (
    None, True, -1, 0, 1.5, 10**30, "", "x", "NaN", "a\0b", "../..", "\ud800", [], [1], {}, {"": None}, {"a": {}},
    {"a": []}, {"a": "x"}, {"a": 10**30},
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return a journal with one change: a field, a line or a byte."""
    lines = data.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    kind = rng.choice(("field", "field", "field", "gone", "twice", "byte", "cut"))
    if kind == "field":
        entry = json.loads(lines[place])
        inner = rng.choice([entry, *(value for value in entry.values() if isinstance(value, dict) and value)])
        name = rng.choice(list(inner))
        if rng.random() < 0.3:
            del inner[name]
        else:
            inner[name] = rng.choice(STRANGE)
        lines[place] = json.dumps(entry).encode() + b"\n"
    elif kind == "gone":
        del lines[place]
    elif kind == "twice":
        lines.insert(rng.randrange(len(lines)), lines[place])
    elif kind == "byte":
        line = bytearray(lines[place])
        line[rng.randrange(len(line))] = rng.randrange(256)
        lines[place] = bytes(line)
    else:
        lines[place] = lines[place][: rng.randrange(len(lines[place]))] + b"\n"
    return b"".join(lines)


class Answering:
    """A store that accepts everything; every value is converted as MLflow's client would do."""

    def __init__(self) -> None:
        self.client = self
        self.calls = ClientCalls(self)  # type: ignore[arg-type]
        self.uri = "sqlite:////x.db"

    def experiment(self, name: str) -> str:
        return "1"

    def create_run(self, experiment_id: str, **rest: Any) -> Any:
        json.dumps(rest)
        return SimpleNamespace(info=SimpleNamespace(run_id="0" * 32))

    def search_runs(self, *words: Any, **rest: Any) -> list[Any]:
        return []

    def __getattr__(self, name: str) -> Any:
        return lambda *words, **rest: None


def test_no_mutated_journal_raises_a_python_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "asking", lambda **how: nullcontext())  # it would hide what is looked for
    monkeypatch.setattr(entities, "log_model", lambda *words: None)
    folder = tmp_path / "sweep" / "run"
    data, rng, refused = whole_journal(folder), random.Random(20), 0  # noqa: S311 - not for secrets
    (folder / "model").mkdir()
    for _ in range(220):
        (folder / FILE).write_bytes(mutated(data, rng))
        (folder / "mlflow.json").unlink(missing_ok=True)
        for reads in (lambda: JournalContent.of(read_journal(folder)), lambda: read_run(folder, None)):
            try:
                reads()
            except InputError as error:
                assert "\n" not in str(error)
        sent = delivery.Delivery(folder, "sqlite:////x.db")
        sent.alone = True
        try:
            if not Waiting([folder], "sqlite:////x.db").problems and sent.claim() and sent.poll():
                sent.send(Answering())  # type: ignore[arg-type]
        except (FrameworkError, OSError) as error:
            refused += 1
            assert "\n" not in str(error)
        except ValueError as error:  # of a path that leads out of the folder
            assert "outside" in str(error)
        finally:
            sent.close()
    assert 50 < refused < 200


@pytest.mark.parametrize("field", ["tracking_uri", "key", "run_id", "delivered", "acted", "ended", "experiment"])
def test_a_cursor_of_other_types_is_refused(tmp_path: Path, field: str) -> None:
    good = Cursor("sqlite:////x.db")
    good.save(tmp_path)
    for value in ([], {}, -1, 1.5, "x\ny\0"):
        (tmp_path / "mlflow.json").write_text(json.dumps({**vars(good), field: value}))
        if (field, value) != ("run_id", "x\ny\0"):
            with pytest.raises(InputError, match=r"mlflow\.json is damaged"):
                Cursor.load(tmp_path)


def test_a_cursor_cannot_take_over_another_run(project: Any, tmp_path: Path) -> None:
    """A stranger's ``mlflow.json`` that names one of the user's runs does not write to that run."""
    mine = Cursor.load(project.runs / "sweep")
    assert mine is not None and mine.run_id is not None
    folder = ended(tmp_path / "stranger", "stranger").folder
    replace(Cursor(project.uri), run_id=mine.run_id).save(folder)
    assert sync([folder], project.uri).problems == []
    assert run_id(folder) not in (None, mine.run_id)


@pytest.fixture
def renamed(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project under another name, as the working folder; it gets its name back."""
    place = project.home.with_name("renamed")
    project.home.rename(place)
    monkeypatch.chdir(place)
    yield place
    shutil.rmtree(project.home, ignore_errors=True)
    place.rename(project.home)


@pytest.mark.long
def test_a_renamed_project_continues_in_its_own_database(project: Any, renamed: Path) -> None:
    run = renamed / "outputs" / "sweep" / "0"
    before = run_id(run)
    assert before is not None
    assert json.loads((run / "mlflow.json").read_text())["tracking_uri"] == "sqlite:///../../../mlflow.db"
    journal = Journal(run)
    measure(journal, 7)
    journal.write("artifact", path=FILE, to="")
    assert set(Waiting([renamed / "outputs" / "sweep"]).folders) == {run}
    # A file of an earlier version has the old absolute path: the run is found by its key, and not made again.
    cursor = json.loads((run / "mlflow.json").read_text())
    (run / "mlflow.json").write_text(json.dumps({**cursor, "tracking_uri": project.uri}))
    assert Waiting([renamed / "outputs" / "sweep"]).folders == []
    result = sync([run], resolve_uri())
    assert (result.delivered, result.problems) == ([run], [])
    assert not project.home.exists()
    assert run_id(run) == before
    with sqlite3.connect(renamed / "mlflow.db") as database:
        names = [name for (name,) in database.execute("select name from runs") if name == "run"]
        steps = database.execute("select step from metrics where key = 'train/loss' and run_uuid = ?", (before,))
        assert (len(names), steps.fetchall()) == (3, [(7,)])
    database.close()
    (copy,) = [path for path in (renamed / "mlartifacts").rglob(FILE) if before in path.parts]
    assert copy.read_bytes() == (run / FILE).read_bytes()[: len(copy.read_bytes())]
