"""Signals that end the command: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes.

The first one raises `KeyboardInterrupt`, so that runs are closed and delivered; the second one ends the process at
once. This module is imported first and imports little, so that an early interrupt is handled, too.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from types import FrameType

EXIT_CODE = 130
SAME_SECONDS = 0.2
"""Within this time, two signals count as one: some programs signal a process and then its group."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_first: float | None = None


def install() -> None:
    """Handle the signals, except those that are ignored, as after ``nohup``."""
    for number in _handled():
        signal.signal(number, _handle)


def end_at_once_from_now_on() -> None:
    """Let the next signal end the process at once: the command has ended."""
    global _first
    _first = float("-inf")


def _handled() -> list[int]:
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def _handle(number: int, frame: FrameType | None) -> None:
    global _first
    now = time.monotonic()
    if _first is None:
        _first = now
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        raise KeyboardInterrupt
    if now - _first > SAME_SECONDS and number != getattr(signal, "SIGHUP", None):
        _end_at_once()


def _leave_terminal() -> None:
    """Send the output to nowhere: the terminal is gone, and writing to it would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):  # `isatty` is false for a terminal that is gone
            os.dup2(nowhere, stream.fileno())


def _end_at_once() -> None:
    """End this process and those that it started, without any cleaning up."""
    client = sys.modules.get("framework.tracking.client")
    if client is not None:
        client.kill_writers()
    processes = sys.modules.get("multiprocessing")
    if processes is not None:
        for child in processes.active_children():
            child.kill()
    os._exit(EXIT_CODE)
