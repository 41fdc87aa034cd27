"""Signals end a command in order, whenever they come: exit code 130, closed journals, no process left."""

from __future__ import annotations

import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import MARK, PATIENCE, marked, wait_until
from sweeping import SMALL, jobs_of

from framework.runs.journal import read_journal
from framework.sweeps.state import SweepState

SWEEP = ("-m", *SMALL, "seed=0,1", "launcher.workers=1", "hydra.sweep.dir=sweep")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in a group of its own; end what is left of it after the test."""

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "framework", *words],
            cwd=tmp_path,
            env={**os.environ, MARK: str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    yield start
    for pid in marked(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def metrics(journals: Iterator[Path]) -> int:
    return sum(b'"metrics"' in journal.read_bytes() for journal in journals)


def test_a_silent_store_is_left_to_sync(tmp_path, started, silent):
    words = ("seed=0,1", "epochs=100000", "launcher.workers=2", "launcher.block=1", "hydra.sweep.dir=sweep")
    process = started("-m", "problem=digits_softmax", *words, f"tracking.uri={silent}")
    wait_until(lambda: metrics(tmp_path.glob("sweep/*/journal.jsonl")) == 2 or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    warning, last = err.splitlines()
    assert warning.startswith(f"warning: MLflow at {silent}: no end of the delivery within 3 s of the interrupt.")
    assert f"`python -m framework sync {tmp_path}/sweep --uri {silent}` will deliver them later" in warning
    assert last.endswith(f"python -m framework resume {tmp_path}/sweep continues")
    assert {read_journal(job)[-1].content["status"] for job in jobs_of(tmp_path / "sweep")} == {"KILLED"}
    assert SweepState.load(tmp_path / "sweep").state == "killed"
    wait_until(lambda: not marked(tmp_path))


def test_a_second_signal_ends_the_command_at_once(tmp_path, started, silent):
    process = started(*SMALL, "epochs=100000", "tracking.enabled=true", f"tracking.uri={silent}", "hydra.run.dir=run")
    journal = tmp_path / "run" / "journal.jsonl"
    wait_until(lambda: metrics(tmp_path.glob("run/journal.jsonl")) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: b'"end"' in journal.read_bytes())
    while process.poll() is None:  # signals within 0.2 s are one
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "")
    wait_until(lambda: not marked(tmp_path))


def test_a_plugin_that_loads_can_be_interrupted(tmp_path, started):
    (tmp_path / "slow.py").write_text("import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(600)\n")
    process = started("--plugin", "slow.py", *SMALL)
    wait_until((tmp_path / "loading").exists)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err == "error: interrupted; the recorded data are kept\n"


def test_a_signal_that_is_ignored_stays_ignored():
    script = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
from framework.cli import signals
signals.install()
os.kill(os.getpid(), signal.SIGHUP)
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def interrupts(monkeypatch: pytest.MonkeyPatch, place: str, after: int = 0) -> None:
    """Raise `KeyboardInterrupt` once in place of a call of the function at ``place``, after so many other calls."""
    original = pkgutil.resolve_name(place)
    calls: list[object] = []

    def interrupted(*given: Any, **named: Any) -> Any:
        calls.append(None)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return original(*given, **named)

    monkeypatch.setattr(place.replace(":", "."), interrupted)


RUN_PLACES = {
    "begins": ("framework.runs.recorder._write_files", 0, None),
    "first": ("framework.training.loop.train_step", 0, "KILLED"),
    "trains": ("framework.training.loop.train_step", 3, "KILLED"),
    "saves": ("framework.training.predictor.Predictor.save", 0, "KILLED"),
    "reports": ("framework.runs.summary.summary", 0, "FINISHED"),
    "draws": ("framework.plots.drawn", 0, "FINISHED"),
    "ends": ("framework.runs.journal.Journal.end", 0, "KILLED"),
}
"""Places where a run may be interrupted, and the status of its journal then; None if it has none."""


@pytest.mark.parametrize("at", RUN_PLACES)
def test_a_run_is_closed_wherever_it_is_interrupted(command, tmp_path, monkeypatch, at):
    place, after, status = RUN_PLACES[at]
    with monkeypatch.context() as patch:
        interrupts(patch, place, after)
        code, _, err = command(*SMALL, "hydra.run.dir=run")
    assert code == 130
    journal = tmp_path / "run" / "journal.jsonl"
    assert journal.exists() == (status is not None)
    if status is not None:
        entries = read_journal(tmp_path / "run")
        assert [entry.content["status"] for entry in entries if entry.kind == "end"] == [status]
    assert (err.strip().endswith("resume " + str(tmp_path / "run") + " continues")) == (status == "KILLED")
    names = {path.name for path in tmp_path.glob("run/*")}
    assert ".framework.lock" not in names
    assert ("curves.png" in names) == (at == "ends")


SWEEP_PLACES = {
    "begins": ("framework.hydra_app.parent_run.ParentRun.begin", 0, None),
    "concludes": ("framework.hydra_app.sweeper.Sweep._conclude", 0, "killed"),
    "saves": ("framework.sweeps.state.SweepState.ended", 0, "finished"),
}


@pytest.mark.parametrize("at", SWEEP_PLACES)
def test_a_sweep_is_closed_wherever_it_is_interrupted(command, tmp_path, monkeypatch, at):
    place, after, state = SWEEP_PLACES[at]
    with monkeypatch.context() as patch:
        interrupts(patch, place, after)
        code, _, err = command(*SWEEP)
    assert code == 130, err
    assert SweepState.load(tmp_path / "sweep").state == (state or "killed")
    for folder in [tmp_path / "sweep", *jobs_of(tmp_path / "sweep")]:
        if (folder / "journal.jsonl").exists():
            assert [entry.kind for entry in read_journal(folder)].count("end") == 1
    code, _, err = command("resume", "sweep")
    assert code == 0, err
    assert SweepState.load(tmp_path / "sweep").state == "finished"
    for folder in [tmp_path / "sweep", *jobs_of(tmp_path / "sweep")]:
        entries = read_journal(folder)
        assert (entries[0].kind, entries[-1].content["status"]) == ("start", "FINISHED")
