"""A sweep takes results of the experiment's finished runs and trains the rest; a retried run in a real store."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sweeping import SMALL, jobs_of, read_csv

from framework.hydra_app import parent_run
from framework.runs.journal import read_journal
from framework.tracking.client import Tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own parts
DATA = "".join(f"{row % 7},{row % 3},{row % 2}\n" for row in range(60))
WORDS = ("-m", "problem=file", "dataset.path=data.csv", "dataset.target=y", "epochs=3", "progress=false")
FRAGILE = """
from pathlib import Path

from framework import hookimpl


@hookimpl
def epoch_finished(run, epoch, metrics):
    if run.config["seed"] == 1 and epoch == 2 and Path("broken").exists():
        raise OSError("broken")
"""


def asked(query: str) -> list[Any]:
    with closing(sqlite3.connect("mlflow.db")) as database:
        return database.execute(query).fetchall()


@pytest.fixture
def swept(command, tmp_path):
    """Return a function that runs a sweep in a folder; it returns its output and its rows by seed."""
    (tmp_path / "data.csv").write_text(f"a,b,y\n{DATA}")
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "broken").touch()

    def call(name: str, *words: str, ended: int = 0) -> tuple[str, dict[str, tuple[str, str]]]:
        given = (*WORDS, *words, f"hydra.sweep.dir={name}", "launcher.workers=1")
        code, out, err = command("--plugin=fragile.py", *given)
        assert code == ended, err
        table = tmp_path / name / "leaderboard.csv"
        rows = read_csv(table) if table.is_file() else []
        return out, {row["seed"]: (str(Path(row["folder"]).relative_to(tmp_path)), row["reused"]) for row in rows}

    return call


def test_a_retried_run_is_finished_in_mlflow_and_its_results_are_reused(swept, command, tmp_path, monkeypatch):
    swept("one", "seed=0,1,2", ended=1)
    assert sorted(status for (status,) in asked("select status from runs")) == ["FAILED"] * 2 + ["FINISHED"] * 2
    assert asked("select value from tags where key = 'error'") == [("OSError: broken",)]
    assert list((tmp_path / "mlartifacts").rglob("error.txt"))
    (tmp_path / "broken").unlink()
    code, _, err = command("--plugin=fragile.py", "resume", "one")
    assert code == 0, err
    assert asked("select status from runs") == [("FINISHED",)] * 4
    assert asked("select value from tags where key = 'error'") == [("",)]
    points = asked("select key, run_uuid, step, count(*) from metrics group by 1, 2, 3")
    assert {count for *_, count in points} == {1}
    assert sum(key == "val/loss" for key, *_ in points) == 9
    # Each writer process costs seconds, and what follows needs the store only to find runs.
    monkeypatch.setattr(parent_run.Tracker, "of", lambda section, waiting: Tracker(enabled=False))
    _reused(swept, tmp_path)


def _reused(swept, tmp_path):
    shutil.rmtree(tmp_path / "one" / "2")
    journal = tmp_path / "one" / "1" / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole.replace('"FINISHED"', '"KILLED"'))
    out, _ = swept("plan", "seed=0,1,2", "reuse=true", "plan=true")
    assert "1 run reused: finished before in this experiment\n2 runs in 1 group" in out
    assert not (tmp_path / "plan").exists()
    journal.write_text(whole)
    out, rows = swept("two", "seed=0,1,2", "reuse=true")
    assert out.startswith("2 runs reused: finished before in this experiment\n")
    assert rows == {"0": ("one/0", "True"), "1": ("one/1", "True"), "2": ("two/2", "False")}
    assert [job.name for job in jobs_of(tmp_path / "two")] == ["2"]
    texts = [entry.content["text"] for entry in read_journal(tmp_path / "two") if entry.kind == "description"]
    assert f"Results of earlier runs:\n\n- adam lr=0.001 seed=0: `{tmp_path}/one/0`\n" in texts[-1]
    out, _ = swept("plan", "seed=0,1", "reuse=true", "plan=true")
    assert out == "2 runs reused: finished before in this experiment. Nothing was started.\n"
    out, _ = swept("plan", "seed=0,1,2", "reuse=true", "plan=true", "tracking.experiment=other")
    assert "reused" not in out
    (tmp_path / "data.csv").write_text(f"a,b,y\n{DATA.replace('6', '9')}")
    out, _ = swept("plan", "seed=0,1,2", "reuse=true", "plan=true")
    assert "reused" not in out


def test_reuse_needs_a_sweep_and_a_store(command, tmp_path):
    for words, said in [
        ((*SMALL, "reuse=true"), "reuse=true is about the runs of a sweep: add -m"),
        (("-m", *SMALL, "seed=0,1", "reuse=true"), "it needs tracking.enabled=true"),
    ]:
        code, _, err = command(*words)
        assert (code, len(err.splitlines())) == (2, 1)
        assert said in err
    assert list(tmp_path.iterdir()) == []
