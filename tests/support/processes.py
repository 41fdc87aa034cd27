"""Helpers for tests that start processes: how long to wait for one, and for what it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 300
"""Seconds after which a process counts as stuck. Only a failing test waits so long, on however busy a machine."""


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "a process is stuck"
        time.sleep(0.05)


def command(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a real process."""
    return subprocess.run(
        [sys.executable, "-m", "framework", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
