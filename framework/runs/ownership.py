"""The lock of a run's or a sweep's folder: one process at a time writes to it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framework.errors import InputError
from framework.system.files import lock

FILE = ".framework.lock"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder inside a ``with`` block; its file names the process and is removed at the end.

    The lock ends with the process, however it ends; a file that a kill left is then only a note.

    Args:
        folder: the folder; it exists.

    Raises:
        InputError: another process writes to the folder.
    """
    path = folder / FILE
    with path.open("a+b") as file:
        if not lock(file):
            raise InputError(f"{folder} is in use{_owner(path)}: wait for its end, or choose another folder")
        file.truncate(0)
        note = {"host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
        file.write((json.dumps(note) + "\n").encode())
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _owner(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return f" by process {int(note['pid'])} on {note['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return " by another process"
