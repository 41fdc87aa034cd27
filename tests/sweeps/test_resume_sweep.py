"""A sweep that was killed is resumed: the same table, histories, models and MLflow runs as without the kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import processes
import pytest
from processes import MARK, PATIENCE, kill, marked, wait_until
from runs import same_numbers
from sweeping import SMALL, assert_same_run, epochs_of, jobs_of, status_of, swept, tags_of

from framework.errors import InputError
from framework.runs.journal import read_journal
from framework.sweeps.state import SweepState

WORDS = (
    *("-m", "problem=digits_softmax", "dataset.train_limit=300", "epochs=40", "progress=false"),
    *("optimizer=adam,sgd", "optimizer.lr=0.1,0.01", "seed=0,1"),
    *("schedule=reduce_on_plateau", "schedule.patience=1", "patience=30", "stages=[gradient_noise,ema]", "keep=best"),
    *("checkpoint.every_seconds=0", "launcher.workers=2", "launcher.block=2"),
)
OTHER_BLOCKS = ("launcher.workers=1", "launcher.block=3")

ORPHANED = 60
"""Seconds after which a process without its parent counts as left: idle workers of joblib wait for 300."""


def duration(sweep: Path) -> float:
    """Return the seconds between a sweep's start and its end."""
    entries = read_journal(sweep)
    return entries[-1].time - entries[0].time


def table_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a sweep's leaderboard without times and folders."""
    with (folder / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{n: v for n, v in row.items() if n not in ("seconds", "population_seconds", "folder")} for row in rows]


def stored(folder: Path) -> list[tuple]:
    """Return the runs of a sweep in its database: name, status, parent's name and points, without times."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        names = dict(database.execute("select run_uuid, name from runs"))
        parents = dict(database.execute("select run_uuid, value from tags where key = 'mlflow.parentRunId'"))
        found = []
        for run, name, status in database.execute("select run_uuid, name, status from runs").fetchall():
            query = "select key, step, value, is_nan from metrics where run_uuid = ? and key not like 'time/%'"
            points = sorted(database.execute(query, (run,)).fetchall())
            found.append((name, status, names.get(parents.get(run, "")), points))
    return sorted(found, key=repr)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The sweep without a kill."""
    folder = tmp_path_factory.mktemp("whole")
    done = processes.command(*WORDS, "hydra.sweep.dir=sweep", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def disturbed(folder: Path, victim: str, delay: float, *words: str) -> None:
    """Start the sweep in ``folder``, kill a process after ``delay`` seconds of it and wait until all have ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "framework", *WORDS, "hydra.sweep.dir=sweep", *words],
        cwd=folder,
        env={**os.environ, MARK: str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if delay < 0:
            wait_until(lambda: any(folder.glob("sweep/*/checkpoint.npz")) or process.poll() is not None)
        time.sleep(abs(delay))
        kill(victim, process, folder)
        process.communicate(timeout=PATIENCE)
        deadline = time.monotonic() + ORPHANED
        while left := marked(folder):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
    finally:
        for pid in marked(folder):
            os.kill(pid, signal.SIGKILL)


def assert_same_sweep(one: Path, other: Path) -> None:
    """Assert that the sweeps in two folders have the same runs, models and tables, bit by bit."""
    assert len(jobs_of(one)) == len(jobs_of(other)) == 8
    for ours, theirs in zip(jobs_of(one), jobs_of(other), strict=True):
        assert same_numbers(epochs_of(ours), epochs_of(theirs))
        assert tags_of(ours) == tags_of(theirs)
        models = [{path.name: path.read_bytes() for path in (job / "model").iterdir()} for job in (ours, theirs)]
        assert models[0] == models[1]
    assert table_of(one) == table_of(other)


@pytest.mark.parametrize(
    ("victim", "delay", "tracked", "changes"),
    [("main", -0.05, False, OTHER_BLOCKS), ("group", -0.5, True, ())],
    ids=["main", "group"],
)
def test_a_killed_sweep_is_resumed_to_the_bit(tmp_path, whole, victim, delay, tracked, changes):
    disturbed(tmp_path, victim, delay, f"tracking.enabled={str(tracked).lower()}")
    done = processes.command("resume", "sweep", *changes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_sweep(whole / "sweep", tmp_path / "sweep")
    for one, other in zip(jobs_of(whole / "sweep"), jobs_of(tmp_path / "sweep"), strict=True):
        assert_same_run(one, other)
    if tracked:
        assert stored(tmp_path) == stored(whole)
    assert SweepState.load(tmp_path / "sweep").state == "finished"
    assert not list((tmp_path / "sweep").rglob("checkpoint.npz"))


@pytest.mark.long
@pytest.mark.parametrize("case", range(20))
def test_no_kill_at_any_moment_loses_anything(tmp_path, whole, case):
    random = np.random.default_rng(case)
    victim = ("main", "worker", "writer", "group")[case % 4]
    disturbed(tmp_path, victim, random.uniform(0.5, duration(whole / "sweep") + 4))
    done = processes.command("doctor", "--uri", f"sqlite:///{tmp_path}/mlflow.db", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if (tmp_path / "sweep" / "sweep.json").is_file():
        assert SweepState.load(tmp_path / "sweep").state in ("killed", "finished")
        assert all(read_journal(job)[-1].kind == "end" for job in jobs_of(tmp_path / "sweep"))
        assert "RUNNING" not in {status for _, status, *_ in stored(tmp_path)}
        done = processes.command("resume", "sweep", cwd=tmp_path)
    else:  # killed before anything was written
        done = processes.command(*WORDS, "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_sweep(whole / "sweep", tmp_path / "sweep")
    assert stored(tmp_path) == stored(whole)
    assert SweepState.load(tmp_path / "sweep").state == "finished"


def test_a_finished_sweep_trains_nothing_again(command, whole):
    before = {path: path.stat().st_mtime_ns for path in (whole / "sweep").glob("*/journal.jsonl")}
    figures = [entry.content for entry in read_journal(whole / "sweep") if entry.kind == "metrics"]
    code, out, err = command("resume", str(whole / "sweep"), "tracking.enabled=false")
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in (whole / "sweep").glob("*/journal.jsonl")} == before
    assert "adam lr=0.1" in out
    assert [entry.content for entry in read_journal(whole / "sweep") if entry.kind == "metrics"] == figures


def test_a_sweep_is_enlarged_and_old_jobs_keep_their_places(command, tmp_path):
    swept(tmp_path / "sweep", *SMALL, "optimizer=sgd,adam", "seed=0,1")
    kept = {path: path.read_bytes() for path in (tmp_path / "sweep").glob("*/journal.jsonl")}
    code, _, err = command("resume", "sweep", "seed=range(3)", "optimizer=lion", "launcher.workers=1")
    assert code == 0, err
    assert {path: path.read_bytes() for path in kept} == kept
    state = SweepState.load(tmp_path / "sweep")
    assert {"optimizer=sgd,adam,lion", "seed=0,1,2"} <= {*state.arguments}
    assert [job.folder for job in state.jobs] == [str(number) for number in range(9)]
    swept(tmp_path / "other", *SMALL, "optimizer=sgd,adam,lion", "seed=range(3)")
    ours, others = (sorted(map(repr, table_of(tmp_path / name))) for name in ("sweep", "other"))
    assert ours == others
    assert len(ours) == 9
    for value, key in [("epochs=9", "epochs"), ("batch_size=8", "batch_size"), ("~seed", "seed")]:
        code, _, err = command("resume", "sweep", value)
        assert code == 2
        assert f"{key} is no axis of this sweep" in err


FRAGILE = '''
from pathlib import Path

from framework import ElementwiseOptimizer, hyper


class Fragile(ElementwiseOptimizer):
    """Gradient descent that fails while a file is there."""

    lr: float = hyper(0.1, above=0)

    def coefficients(h, t):
        if Path("broken").exists() and (h.lr == 0.2).any():
            raise OSError("broken")
        return {"lr": h.lr}

    def rule(p, g, *, lr):
        return p - lr * g
'''


def test_failed_runs_are_tried_again_and_finished_ones_are_left(command, tmp_path):
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "broken").touch()
    plugin = ("--plugin", "fragile.py")
    words = (*SMALL, "optimizer=fragile", "optimizer.lr=0.1,0.2,0.3", "hydra.sweep.dir=sweep", "launcher.workers=1")
    assert command(*plugin, "-m", *words)[0] == 1
    assert [status_of(folder) for folder in jobs_of(tmp_path / "sweep")] == ["FINISHED", "FAILED", "FINISHED"]
    assert SweepState.load(tmp_path / "sweep").state == "failed"
    kept = (tmp_path / "sweep" / "0" / "journal.jsonl").read_bytes()
    (tmp_path / "broken").unlink()
    code, _, err = command("resume", "sweep")
    assert code == 2
    assert f"the sweep used a plugin file: add --plugin {tmp_path}/fragile.py" in err
    code, _, err = command(*plugin, "resume", "sweep")
    assert code == 0, err
    assert (tmp_path / "sweep" / "0" / "journal.jsonl").read_bytes() == kept
    rows = {row["lr"]: row["ended"] for row in table_of(tmp_path / "sweep")}
    assert rows == {"0.1": "budget", "0.2": "budget", "0.3": "budget"}
    (tmp_path / "fragile.py").write_text(FRAGILE.replace("p - lr", "p - 2 * lr"))
    code, _, err = command(*plugin, "resume", "sweep")
    assert code == 2
    assert "/sweep/0: the plugin fragile is not the one that the run used" in err
    assert "continue with --force" in err


def test_the_state_file_names_the_sweep_and_its_jobs(tmp_path):
    swept(tmp_path, *SMALL, "epochs=1", "seed=0,1", "tags.note='a, b'")
    state = SweepState.load(tmp_path)
    assert state.arguments == (*SMALL, "epochs=1", "seed=0,1", "tags.note='a, b'")
    assert (state.state, state.pid) == ("finished", os.getpid())
    assert [(job.number, job.folder) for job in state.jobs] == [(0, "0"), (1, "1")]
    start = json.loads((tmp_path / "1" / "journal.jsonl").read_text().splitlines()[0])
    assert state.jobs[1].identity == start["tags"]["config_hash"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"format": 2}', b'{"format": 1, "jobs": 3}', b'{"format": 1, "jobs": [{"number": 0}]}'],
    ids=["empty", "list", "json", "format", "jobs", "fields"],
)
def test_a_damaged_state_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "sweep.json").write_bytes(content)
    with pytest.raises(InputError, match=r"sweep\.json") as error:
        SweepState.load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_state_file_is_no_sweep_to_resume(command, tmp_path):
    code, _, err = command("-m", *SMALL, "seed=0,1", "resume=true", f"hydra.sweep.dir={tmp_path}")
    assert code == 2
    assert "it holds no sweep.json" in err


def test_a_state_file_decides_neither_which_code_runs_nor_where_it_writes(command, tmp_path):
    swept(tmp_path / "sweep", *SMALL, "epochs=1", "seed=0,1")
    path = tmp_path / "sweep" / "sweep.json"
    honest = json.loads(path.read_text())
    outside = [honest["jobs"][0], {**honest["jobs"][1], "folder": "../1"}]
    for key, value, said in [
        ("plugins", ["/nowhere/evil.py"], "add --plugin /nowhere/evil.py"),
        ("hydra", ["+hydra.callbacks.x._target_=os.system"], "which may name classes"),
        ("flags", ["--config-dir=/evil"], "which may name classes"),
        ("jobs", outside, "names the job folder ../1, which is outside"),
    ]:
        path.write_text(json.dumps({**honest, key: value}))
        code, _, err = command("resume", "sweep")
        assert code == 2
        assert said in err


def test_a_damaged_checkpoint_is_refused_before_anything_is_written(command, tmp_path):
    swept(tmp_path / "sweep", *SMALL, "epochs=1", "seed=0,1")
    (tmp_path / "sweep" / "1" / "checkpoint.npz").write_bytes(b"PK")
    before = {path: path.read_bytes() for path in (tmp_path / "sweep").rglob("*") if path.is_file()}
    code, _, err = command("resume", "sweep")
    assert code == 2
    assert "1/checkpoint.npz is damaged" in err
    assert {path: path.read_bytes() for path in (tmp_path / "sweep").rglob("*") if path.is_file()} == before
