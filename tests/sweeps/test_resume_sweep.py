"""A sweep that was killed is resumed: the same table, histories, models and MLflow runs as without the kill."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from processes import PATIENCE, command, wait_until
from sweeping import SMALL, assert_same_run, jobs_of, status_of, swept

from framework.errors import InputError
from framework.sweeps.state import SweepState

WORDS = (
    *("-m", "problem=digits_softmax", "dataset.train_limit=300", "epochs=40", "progress=false"),
    *("optimizer=adam,sgd", "optimizer.lr=0.1,0.01", "seed=0,1"),
    *("checkpoint.every_seconds=0", "launcher.workers=2", "launcher.block=2"),
)


def table_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a sweep's leaderboard without times and folders."""
    header, *lines = (folder / "leaderboard.csv").read_text().splitlines()
    names = header.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
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
    done = command(*WORDS, "hydra.sweep.dir=sweep", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("delay", [0.05, 0.5], ids=["early", "later"])
def test_a_killed_sweep_is_resumed_to_the_bit(tmp_path, whole, delay):
    process = subprocess.Popen(
        [sys.executable, "-m", "framework", *WORDS, "hydra.sweep.dir=sweep"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: any(tmp_path.glob("sweep/*/checkpoint.npz")) or process.poll() is not None)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    done = command("resume", "sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(jobs_of(tmp_path / "sweep")) == 8
    for one, other in zip(jobs_of(whole / "sweep"), jobs_of(tmp_path / "sweep"), strict=True):
        assert_same_run(one, other)
    assert table_of(tmp_path / "sweep") == table_of(whole / "sweep")
    assert stored(tmp_path) == stored(whole)
    assert SweepState.load(tmp_path / "sweep").state == "finished"
    assert not list((tmp_path / "sweep").rglob("checkpoint.npz"))


def test_a_finished_sweep_trains_nothing_again(tmp_path, whole):
    before = {path: path.stat().st_mtime_ns for path in (whole / "sweep").glob("*/journal.jsonl")}
    done = command("resume", str(whole / "sweep"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (whole / "sweep").glob("*/journal.jsonl")} == before
    assert "adam lr=0.1" in done.stdout


def test_a_sweep_is_enlarged_and_old_jobs_keep_their_places(tmp_path):
    words = ("-m", *SMALL, "tracking.enabled=true", "optimizer=sgd,adam")
    first = command(*words, "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    kept = {path: path.read_bytes() for path in (tmp_path / "sweep").glob("*/journal.jsonl")}
    more = command("resume", "sweep", "seed=range(3)", "optimizer=lion", "launcher.workers=1", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    state = SweepState.load(tmp_path / "sweep")
    assert "optimizer=sgd,adam,lion" in state.arguments
    assert "seed=0,1,2" in state.arguments
    assert [job.folder for job in state.jobs] == [str(number) for number in range(9)]
    assert len(table_of(tmp_path / "sweep")) == 9
    (tmp_path / "other").mkdir()
    wanted = command(
        *words, "optimizer=sgd,adam,lion", "seed=range(3)", "hydra.sweep.dir=sweep", cwd=tmp_path / "other"
    )
    assert wanted.returncode == 0, wanted.stderr
    assert sorted(map(repr, table_of(tmp_path / "sweep"))) == sorted(map(repr, table_of(tmp_path / "other" / "sweep")))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        parents = database.execute(
            "select value, count(*) from tags where key = 'mlflow.parentRunId' group by 1"
        ).fetchall()
        assert [count for _, count in parents] == [9]
    for value, said in [
        ("epochs=9", "epochs is no axis"),
        ("batch_size=8", "batch_size is no axis"),
        ("~seed", "seed is no axis"),
    ]:
        refused = command("resume", "sweep", value, cwd=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr


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


def test_failed_runs_are_tried_again_and_finished_ones_are_left(tmp_path):
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "broken").touch()
    words = (*SMALL, "optimizer=fragile", "optimizer.lr=0.1,0.2,0.3", "hydra.sweep.dir=sweep")
    first = command("--plugin", "fragile.py", "-m", *words, cwd=tmp_path)
    assert first.returncode == 1
    assert [status_of(folder) for folder in jobs_of(tmp_path / "sweep")] == ["FINISHED", "FAILED", "FINISHED"]
    assert SweepState.load(tmp_path / "sweep").state == "failed"
    kept = (tmp_path / "sweep" / "0" / "journal.jsonl").read_bytes()
    (tmp_path / "broken").unlink()
    without = command("resume", "sweep", cwd=tmp_path)
    assert without.returncode == 2
    assert f"the sweep used a plugin file: add --plugin {tmp_path}/fragile.py" in without.stderr
    again = command("--plugin", "fragile.py", "resume", "sweep", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "sweep" / "0" / "journal.jsonl").read_bytes() == kept
    rows = {row["lr"]: row["ended"] for row in table_of(tmp_path / "sweep")}
    assert rows == {"0.1": "budget", "0.2": "budget", "0.3": "budget"}
    (tmp_path / "fragile.py").write_text(FRAGILE.replace("p - lr", "p - 2 * lr"))
    changed = command("--plugin", "fragile.py", "resume", "sweep", cwd=tmp_path)
    assert changed.returncode == 2
    assert "is not composed with the identity" in changed.stderr


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


def test_a_folder_without_a_state_file_is_no_sweep_to_resume(tmp_path):
    done = command("-m", *SMALL, "seed=0,1", "resume=true", f"hydra.sweep.dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 2
    assert "it holds no sweep.json" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("plugins", ["/tmp/evil.py"], "add --plugin /tmp/evil.py"),  # noqa: S108 - never written
        ("hydra", ["+hydra.callbacks.x._target_=os.system"], "which may name classes"),
        ("flags", ["--config-dir=/evil"], "which may name classes"),
    ],
    ids=["plugin", "callback", "configs"],
)
def test_a_state_file_does_not_decide_which_code_runs(tmp_path, key, value, said):
    swept(tmp_path / "sweep", *SMALL, "epochs=1", "seed=0,1")
    path = tmp_path / "sweep" / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    done = command("resume", "sweep", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_job_folder_outside_the_sweep_is_refused(tmp_path):
    swept(tmp_path / "sweep", *SMALL, "epochs=1", "seed=0,1")
    path = tmp_path / "sweep" / "sweep.json"
    path.write_text(path.read_text().replace('"folder": "1"', '"folder": "../1"'))
    done = command("resume", "sweep", cwd=tmp_path)
    assert done.returncode == 2
    assert "names the job folder ../1, which is outside" in done.stderr
