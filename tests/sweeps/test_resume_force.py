"""Resuming after a change: refused by name, continued with --force, and said in a tag."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sweeping import epochs_of, jobs_of, read_csv, status_of, tags_of

from framework.checkpoint.file import FILE as CHECKPOINT
from framework.runs.content import JournalContent
from framework.runs.journal import read_journal

RULE = '''
from pathlib import Path

from framework import ElementwiseOptimizer, hookimpl, hyper


class Descent(ElementwiseOptimizer):
    """Gradient descent."""

    lr: float = hyper(0.1, above=0)

    def rule(p, g, *, lr):
        return p - lr * g
'''
HOOK = """
from pathlib import Path

from framework import hookimpl


@hookimpl
def epoch_finished(run, epoch, metrics):
    if run.config["seed"] == 1 and epoch == 3 and Path("broken").exists():
        raise OSError("broken")
"""
DATA = "".join(f"{row % 7},{row % 3},{row % 2}\n" for row in range(60))
WORDS = (
    *("problem=file", "dataset.path=data.csv", "dataset.target=y", "epochs=5", "optimizer=descent"),
    *("progress=false", "tracking.enabled=false", "checkpoint.every_seconds=0"),
)
PLUGINS = ("--plugin=rule.py", "--plugin=hook.py")


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "rule.py").write_text(RULE)
    (tmp_path / "hook.py").write_text(HOOK)
    (tmp_path / "data.csv").write_text(f"a,b,y\n{DATA}")
    (tmp_path / "broken").touch()
    return tmp_path


@pytest.fixture
def single(command, home):
    """Return a function that resumes a run that failed in its third epoch, with a checkpoint of its second."""
    assert command(*PLUGINS, *WORDS, "seed=1", "hydra.run.dir=run")[0] == 1
    assert (home / "run" / CHECKPOINT).is_file()
    (home / "broken").unlink()
    return lambda *words: command(*PLUGINS, "resume", "run", *words)


def change_rule(home: Path) -> None:
    (home / "rule.py").write_text(RULE.replace("p - lr", "p - 2 * lr"))


def change_data(home: Path) -> None:
    (home / "data.csv").write_text(f"a,b,y\n{DATA.replace('6', '9')}")


def change_config(home: Path) -> None:
    path = home / "run" / "config.yaml"
    path.write_text(path.read_text().replace("epochs: 5", "epochs: 6"))


def damage(home: Path) -> None:
    path = home / "run" / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "said", "epochs"),
    [
        (change_rule, "the plugin rule is not the one that the run used", 5),
        (change_data, "the data set has the hash", 5),
        (change_config, "epochs is 6 and the run was recorded with 5", 6),
        (damage, "checkpoint.npz is damaged", 5),
    ],
    ids=["rule", "data", "config", "checkpoint"],
)
def test_a_change_is_refused_by_name_and_forced_with_a_tag(single, home, change, said, epochs):
    change(home)
    before = {path: path.read_bytes() for path in (home / "run").rglob("*") if path.is_file()}
    code, _, err = single()
    (error,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert code == 2
    assert said in error
    assert {path: path.read_bytes() for path in (home / "run").rglob("*") if path.is_file()} == before
    code, _, err = single("--force")
    assert code == 0, err
    assert said in tags_of(home / "run")["resumed_with_force"]
    history = JournalContent.of(read_journal(home / "run")).history
    assert [row["epoch"] for row in history] == [*range(1, epochs + 1)]
    assert read_journal(home / "run")[-1].content["status"] == "FINISHED"
    if change is damage:  # nothing differs: nothing is recorded twice
        assert [row["epoch"] for row in epochs_of(home / "run")] == [1, 2, 3, 4, 5, None]


def test_epochs_that_differ_are_recorded_again_and_the_later_ones_count(single, home):
    (home / "run" / CHECKPOINT).unlink()
    first = [row["values"]["val/loss"] for row in epochs_of(home / "run")]
    change_rule(home)
    assert single("--force")[0] == 0
    rows = epochs_of(home / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 1, 2, 3, 4, 5, None]
    history = JournalContent.of(read_journal(home / "run")).history
    assert [row["val/loss"] for row in history] == [row["values"]["val/loss"] for row in rows[3:8]]
    assert [row["val/loss"] for row in history[:3]] != first


def test_a_run_that_does_not_repeat_itself_continues_with_force(single, home):
    path = home / "run" / "journal.jsonl"
    (home / "run" / CHECKPOINT).unlink()
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    (second,) = [entry for entry in entries if entry["kind"] == "metrics" and entry["epoch"] == 2]
    second["values"]["val/loss"] += 1e-9
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    code, _, err = single()
    assert code == 1
    assert "or continue with --force" in err
    assert single("--force")[0] == 0
    assert "val/loss of epoch 2 is" in tags_of(home / "run")["resumed_with_force"]
    assert [row["epoch"] for row in epochs_of(home / "run")] == [1, 2, 3, 2, 3, 4, 5, None]


@pytest.fixture
def sweep(command, home):
    """Return a function that resumes a sweep of seed 0, which finished, and seed 1, which failed in its third epoch."""
    words = (*WORDS, "seed=0,1", "hydra.sweep.dir=s", "launcher.workers=1")
    assert command(*PLUGINS, "-m", *words)[0] == 1
    (home / "broken").unlink()
    return lambda *words: command(*PLUGINS, "resume", "s", *words)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_rule, "/s/0: the plugin rule is not the one that the run used"),
        pytest.param(change_data, "/s/0: the data set has the hash", marks=pytest.mark.long),
    ],
    ids=["rule", "data"],
)
def test_a_changed_sweep_is_refused_by_name_and_forced_with_a_tag(sweep, home, change, said):
    change(home)
    kept = (home / "s" / "0" / "journal.jsonl").read_bytes()
    code, _, err = sweep()
    (error,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert code == 2
    assert said in error
    code, _, err = sweep("--force")
    assert code == 0, err
    assert "1 finished runs keep their results" in err
    assert (home / "s" / "0" / "journal.jsonl").read_bytes() == kept
    assert said.partition(": ")[2] in tags_of(home / "s" / "1")["resumed_with_force"]
    assert [row["ended"] for row in read_csv(home / "s" / "leaderboard.csv")] == ["budget", "budget"]


def test_damaged_files_of_a_sweep(sweep, home):
    (home / "s" / "1" / CHECKPOINT).write_bytes(b"PK")
    damaged = home / "s" / "0" / "journal.jsonl"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"{\n" + whole)
    code, _, err = sweep()
    assert (code, len(err.splitlines())) == (2, 1), err
    assert "/s/0/journal.jsonl is damaged at byte 0" in err
    code, _, err = sweep("--force")
    assert code == 1
    assert "2 runs: 1 ok, 1 failed (the first: descent lr=0.1 seed=0: " in err
    assert damaged.read_bytes() == b"{\n" + whole
    assert "checkpoint.npz is damaged" in tags_of(home / "s" / "1")["resumed_with_force"]
    assert [row["epoch"] for row in epochs_of(home / "s" / "1")] == [1, 2, 3, 4, 5, None]


def test_a_job_that_is_not_composed_any_more_is_left(command, sweep, home):
    path = home / "s" / "sweep.json"
    path.write_text(path.read_text().replace('"seed=0,1"', '"seed=1,2"'))
    kept = (home / "s" / "0" / "journal.jsonl").read_bytes()
    code, _, err = sweep()
    assert code == 2
    assert "job 0 (" in err and "is not composed any more; --force leaves it as it is" in err
    code, _, err = sweep("--force")
    assert code == 0, err
    assert "warning: job 0 (" in err
    assert (home / "s" / "0" / "journal.jsonl").read_bytes() == kept
    assert [job.name for job in jobs_of(home / "s")] == ["0", "1", "2"]
    assert {row["seed"] for row in read_csv(home / "s" / "leaderboard.csv")} == {"1", "2"}
    shutil.rmtree(home / "s" / "2")
    assert status_of(home / "s" / "0") == "FINISHED"
