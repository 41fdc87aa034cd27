"""A sweep and a run whose plugins have lifecycle hooks continue with the plugins' state, and warn once per command."""

from __future__ import annotations

import pytest
from sweeping import SMALL, epochs_of, jobs_of

PLUGIN = """
from pathlib import Path

import numpy as np

from framework import hookimpl

counts = {}


@hookimpl
def should_stop(run, epoch, metrics):
    if epoch == 3 and Path("break").exists():
        raise KeyboardInterrupt
    counts[run.id] = counts.get(run.id, 0) + 1
    return counts[run.id] == 5
"""
KEEPS = """

@hookimpl
def run_state(run):
    return {"count": np.array(counts[run.id])}


@hookimpl
def restore_run(run, state):
    counts[run.id] = int(state["count"])
"""
WORDS = (*SMALL, "epochs=9", "checkpoint.every_seconds=0", "launcher.workers=1")


def warnings_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("warning: plugin ")]


@pytest.mark.parametrize("keeps", [True, False], ids=["state", "none"])
def test_a_sweep_continues_with_the_plugins_state_or_warns_once(command, tmp_path, keeps):
    (tmp_path / "stops.py").write_text(PLUGIN + KEEPS * keeps)
    words = ("--plugin", "stops.py", "-m", *WORDS, "seed=0,1,2")
    (tmp_path / "break").touch()
    assert command(*words, "hydra.sweep.dir=part")[0] == 130
    (tmp_path / "break").unlink()
    assert len([*tmp_path.glob("part/*/checkpoint.npz")]) == 3
    code, _, err = command("--plugin", "stops.py", "resume", "part")
    assert code == 0, err
    afresh = "warning: plugin stops keeps no state in checkpoints: it starts afresh"
    assert [line.startswith(afresh) for line in warnings_of(err)] == ([] if keeps else [True])
    for folder in jobs_of(tmp_path / "part"):
        assert [row["epoch"] for row in epochs_of(folder)] == [*range(1, 6 if keeps else 8), None]


def test_a_plugin_that_is_missing_when_a_run_continues_is_named(command, tmp_path):
    (tmp_path / "stops.py").write_text(PLUGIN + KEEPS)
    (tmp_path / "break").touch()
    assert command("--plugin", "stops.py", *WORDS, "hydra.run.dir=part")[0] == 130
    code, _, err = command("resume", "part")
    assert code == 0, err
    assert warnings_of(err) == [
        "warning: plugin stops followed the run until its checkpoint and is not loaded: it is left out"
    ]
