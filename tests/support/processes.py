"""Helpers for tests that start processes: run commands and wait with a time limit."""

from __future__ import annotations

import os
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
