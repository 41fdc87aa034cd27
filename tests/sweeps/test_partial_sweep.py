"""Sweeps that train a part of their runs: until the first failure, or only what failed."""

from __future__ import annotations

import pytest
from sweeping import SMALL, jobs_of, read_csv, status_of

from framework.sweeps.state import SweepState

FRAGILE = """
from pathlib import Path

from framework import hookimpl


@hookimpl
def epoch_finished(run, epoch, metrics):
    if run.config["seed"] in (1, 2) and epoch == 2 and Path("broken").exists():
        raise OSError("broken")
"""


@pytest.fixture
def plugin(tmp_path) -> str:
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "broken").touch()
    return "--plugin=fragile.py"


def ended(folder) -> dict[str, str]:
    return {row["seed"]: row["ended"] for row in read_csv(folder / "leaderboard.csv")}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_sweep_ends_at_its_first_failure_and_is_resumed(command, tmp_path, plugin, workers):
    words = (*SMALL, "seed=1,0,2,3", f"launcher.workers={workers}", "launcher.block=1", "fail_fast=true")
    code, _, err = command(plugin, "-m", *words, "hydra.sweep.dir=s")
    assert code == 1
    line = err.splitlines()[-1]
    assert "1 failed" in line and ("not started" in line or "killed" in line)
    assert line.endswith("python -m framework resume s continues")
    assert set(ended(tmp_path / "s").values()) <= {"failed", "budget"}
    assert {status_of(job) for job in jobs_of(tmp_path / "s")} <= {"FAILED", "KILLED", "FINISHED"}
    assert SweepState.load(tmp_path / "s").state == "failed"
    (tmp_path / "broken").unlink()
    code, _, err = command(plugin, "resume", "s")
    assert code == 0, err
    assert ended(tmp_path / "s") == dict.fromkeys("0123", "budget")


def test_only_what_failed_is_tried_again(command, tmp_path, plugin):
    words = (*SMALL, "seed=0,1,2,3", "launcher.workers=1", "launcher.block=1", "hydra.sweep.dir=s")
    assert command(plugin, "-m", *words, "fail_fast=true")[0] == 1
    (tmp_path / "broken").unlink()
    code, out, err = command(plugin, "resume", "s", "failed_only=true")
    assert code == 0, err
    assert out.splitlines()[-1] == "4 runs: 2 ok, 2 not started; python -m framework resume s continues"
    assert ended(tmp_path / "s") == {"0": "budget", "1": "budget"}
    assert SweepState.load(tmp_path / "s").state == "killed"
    assert not [word for word in SweepState.load(tmp_path / "s").arguments if "failed_only" in word]
    code, out, err = command(plugin, "-m", *words, "failed_only=true")
    assert code == 0, err
    assert "2 not started" in out
    assert command(plugin, "resume", "s")[0] == 0
    assert ended(tmp_path / "s") == dict.fromkeys("0123", "budget")


def test_another_launcher_takes_no_part_of_a_sweep(command, tmp_path):
    code, _, err = command("-m", *SMALL, "seed=0,1", "fail_fast=true", "hydra/launcher=basic", "hydra.sweep.dir=s")
    assert code == 2
    assert "for a part use hydra/launcher=population" in err
    assert not (tmp_path / "s").exists()
