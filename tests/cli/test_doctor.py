"""`doctor` closes what has no process any more, and leaves everything else alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
from sweeping import SMALL, swept

from framework.runs.journal import read_journal
from framework.runs.ownership import FILE as LOCK
from framework.runs.ownership import owned
from framework.sweeps.state import SweepState


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A sweep of two runs."""
    folder = tmp_path_factory.mktemp("finished")
    swept(folder / "sweep", *SMALL, "epochs=1", "seed=0,1")
    return folder / "sweep"


def left(folder: Path, host: str | None = None) -> Path:
    """Remove the end of a journal and write the note of a process, as a kill leaves them; return the folder."""
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(line for line in lines if b'"kind": "end"' not in line))
    note = {"host": host or socket.gethostname(), "pid": os.getpid(), "started": 1e9}  # the pid of a living process
    (folder / LOCK).write_text(json.dumps(note) + "\n")
    return folder


@pytest.fixture
def sweep(finished, tmp_path) -> Path:
    """A sweep that was killed while its second run trained."""
    folder = tmp_path / "multirun" / "sweep"
    shutil.copytree(finished, folder)
    left(left(folder) / "1")
    (folder / "1" / LOCK).unlink()  # workers take no lock
    SweepState.load(folder).ended("running").save(folder)
    return folder


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A single run that was killed."""
    folder = tmp_path / "outputs" / "run"
    shutil.copytree(finished / "0", folder)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    start = {**json.loads(lines[0]), "parent": None}
    (folder / "journal.jsonl").write_text(json.dumps(start) + "\n" + "".join(lines[1:]))
    return left(folder)


def ends(folder: Path) -> list[str]:
    return [entry.content["status"] for entry in read_journal(folder) if entry.kind == "end"]


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stale_run_and_sweep_are_closed_and_can_go_on(command, run, sweep):
    begun = read_journal(run)
    code, out, err = command("doctor")
    assert (code, err) == (0, "")
    note = f"(host {socket.gethostname()}, process {os.getpid()}, started "
    assert f"run  {run}  {note}" in out
    assert f"sweep  {sweep}  {note}" in out
    assert "python -m framework resume outputs/run\n" in out
    assert "python -m framework resume multirun/sweep\n" in out
    assert read_journal(run)[: len(begun)] == begun
    assert ends(run) == ends(sweep) == ends(sweep / "1") == ["KILLED"]
    assert ends(sweep / "0") == ["FINISHED"]
    assert SweepState.load(sweep).state == "killed"
    assert command("doctor") == (0, "no run or sweep without an end and without a process\n", "")
    code, _, err = command("resume", "multirun/sweep")
    assert code == 0, err
    assert SweepState.load(sweep).state == "finished"


def test_what_a_process_holds_is_left_alone(command, run, sweep):
    with owned(run), owned(sweep):
        before = content(run) | content(sweep)
        assert command("doctor", "outputs", "multirun", str(sweep / "1"))[:2] == (
            0,
            "no run or sweep without an end and without a process\n",
        )
        assert content(run) | content(sweep) == before


@pytest.mark.parametrize("note", ["elsewhere", None], ids=["host", "none"])
def test_a_process_that_cannot_be_looked_for_is_left_alone(command, run, note):
    if note is None:
        (run / LOCK).unlink()
    else:
        left(run, note)
    before = content(run)
    code, _, err = command("doctor", str(run))
    assert code == 1
    assert f"`python -m framework doctor --any-host {run}` closes it" in err
    assert content(run) == before
    assert command("doctor", "--any-host", str(run))[0] == 0
    assert ends(run) == ["KILLED"]


def test_damaged_files_stop_nothing(command, run, sweep, tmp_path):
    for name in ("pipe", "text", "state", "lock"):
        (tmp_path / "outputs" / name).mkdir()
    os.mkfifo(tmp_path / "outputs" / "pipe" / "journal.jsonl")
    (tmp_path / "outputs" / "text" / "journal.jsonl").write_text("[]\n")
    (tmp_path / "outputs" / "state" / "sweep.json").write_text("{")
    shutil.copy(run / "journal.jsonl", tmp_path / "outputs" / "lock")
    os.mkfifo(tmp_path / "outputs" / "lock" / LOCK)
    code, _, err = command("doctor")
    assert code == 1
    lines = err.splitlines()
    assert len(lines) == 4
    for name in ("pipe/journal.jsonl is not a file", "text/journal.jsonl is damaged", "state/sweep.json is damaged"):
        assert any(name in line for line in lines), name
    assert any("outputs/lock is left alone: its process is not recorded" in line for line in lines)
    assert ends(run) == ends(sweep) == ["KILLED"]


def test_wrong_arguments_are_one_line(command):
    code, _, err = command("doctor", "nowhere")
    assert (code, err) == (2, "error: doctor: nowhere: there is no such folder\n")
