"""Helpers for tests that start processes: run commands and wait with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 300
"""Seconds after which a process counts as stuck; even on a busy machine, only a failing test waits so long."""


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until ``happened()`` is true.

    Raises:
        AssertionError: `PATIENCE` seconds have passed.
    """
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "a process is stuck"
        time.sleep(0.05)


def command(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m framework`` in a process and return its result.

    Args:
        words: arguments of the command.
        cwd: working directory.
        environment: variables to add to the environment.
    """
    return subprocess.run(
        [sys.executable, "-m", "framework", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


MARK = "TEST_OF"
"""Variable by which a test finds the processes that its own processes have started, of whatever session."""


def marked(mark: object) -> dict[int, str]:
    """Return the command lines of the processes with a mark in their environment, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or it is another user's
            continue
    return found


def kill(victim: str, main: subprocess.Popen[bytes], mark: object) -> None:
    """Kill a process of a command, or all of them, with SIGKILL.

    Args:
        victim: ``"main"``, ``"worker"``, ``"writer"``, or ``"group"`` for all but the writer, which has a session of
            its own. If there is no such process yet, it is awaited; if the command ends before, nothing is killed.
        main: the command, the leader of its group.
        mark: the mark of its processes.
    """
    names = {"worker": "popen_loky", "writer": "framework.tracking.writer"}

    def found() -> list[int]:
        return [pid for pid, words in marked(mark).items() if names[victim] in words]

    if victim in names:
        wait_until(lambda: found() or main.poll() is not None)
        for pid in found()[:1]:
            os.kill(pid, signal.SIGKILL)
    elif main.poll() is None:
        (os.killpg if victim == "group" else os.kill)(main.pid, signal.SIGKILL)
