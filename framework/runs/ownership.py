"""The lock of a run's or a sweep's folder: one process at a time writes to it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from framework.errors import InputError
from framework.system.files import lock

FILE = ".framework.lock"


@dataclass(frozen=True)
class Owner:
    """The process that writes, or wrote, to a folder.

    Attributes:
        host: name of its machine.
        pid: its process id there.
        started: when it took the folder, in unix seconds.
    """

    host: str
    pid: int
    started: float

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()


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
            raise InputError(f"{folder} is in use{_owner(folder)}: wait for its end, or choose another folder")
        file.truncate(0)
        note = Owner(socket.gethostname(), os.getpid(), time.time())
        file.write((json.dumps(asdict(note)) + "\n").encode())
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def in_use(folder: Path) -> bool:
    """Return whether a process writes to a folder; of another machine, only if its locks are seen here.

    The lock is what counts: the process id of an old note may belong to another process today.
    """
    path = folder / FILE
    if not path.is_file():
        return False
    with path.open("r+b") as file:
        return not lock(file)


def owner(folder: Path) -> Owner | None:
    """Return the process that writes to a folder, or was killed while it did, as its lock's note says; else None."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return Owner(str(note["host"]), int(note["pid"]), float(note["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _owner(folder: Path) -> str:
    found = owner(folder)
    return " by another process" if found is None else f" by process {found.pid} on {found.host}"
