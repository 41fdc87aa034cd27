"""Helpers for tests of console output: a terminal in memory, and a pseudo-terminal as the standard output."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from framework.system.terminal import Screen, View


class Shown(View):
    """A view that records its calls."""

    def __init__(self) -> None:
        self.states: list[tuple[float | None, str, str]] = []
        self.notes: list[str] = []
        self.closed = 0

    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        self.states.append((share, "  ".join(filter(None, parts)), below))

    def note(self, line: str) -> None:
        self.notes.append(line)

    def close(self) -> None:
        self.closed += 1


class Terminal:
    """A terminal in memory with a `Screen`; ``width`` is in columns."""

    def __init__(self, width: int) -> None:
        self._file = io.StringIO()
        console = Console(file=self._file, force_terminal=True, width=width, color_system=None, legacy_windows=False)
        self.screen = Screen(console)

    def rows(self, share: float | None, text: str, below: str = "") -> list[str]:
        """Call `Screen.show`; return the rows that are visible after it."""
        self._file.seek(0)
        self._file.truncate()
        self.screen.show(share, [text], below)
        return visible(self._file.getvalue())


def visible(written: str) -> list[str]:
    """Return the visible rows of a terminal after ``written``; only control sequences that rich uses are supported."""
    rows, row, column = [""], 0, 0
    for control, letter, text in re.findall(r"\x1b\[([?0-9;]*)([A-Za-z])|([^\x1b])", written):
        if letter == "A":
            row = max(0, row - int(control or 1))
        elif letter == "K":
            rows[row] = "" if control == "2" else rows[row][:column]
        elif text == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif text == "\r":
            column = 0
        elif text:
            rows[row] = rows[row].ljust(column)[:column] + text + rows[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in rows]


@contextmanager
def terminal_output(monkeypatch: pytest.MonkeyPatch, columns: int = 120) -> Iterator[list[str]]:
    """Replace the standard output by a pseudo-terminal; yield a list that receives the output when the context ends."""
    pty = pytest.importorskip("pty", reason="needs a POSIX terminal")
    leader, follower = pty.openpty()
    written: list[str] = []
    pieces: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # raised when the other end is closed
                return
            if not piece:
                return
            pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch, os.fdopen(follower, "w", encoding="utf-8") as stream:
        patch.setattr(sys, "stdout", stream)
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", str(columns))
        try:
            yield written
        finally:
            stream.flush()
    reader.join()
    os.close(leader)
    written.append(b"".join(pieces).decode())
