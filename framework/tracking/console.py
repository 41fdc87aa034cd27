"""Messages at the end of a run or sweep: delivery to MLflow, and where the results are stored."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import TracebackType

from framework.runs.cursor import run_id
from framework.system.formatting import counted, shortened_path
from framework.system.pace import Clock, Throttle
from framework.system.terminal import View, view
from framework.tracking.store import sqlite_file, without_password
from framework.tracking.waiting import Naming

REFRESH_SECONDS = 0.2
"""Seconds between two updates of the display."""
MOST_LINES = 4
"""Maximum number of progress lines in a log, besides `HINT`; the first is written at once."""
HINT_SECONDS = 5.0
"""Seconds of waiting before the line that says how not to wait."""
HINT = "Ctrl-C is safe now: the journals are complete, and `python -m framework sync` delivers what MLflow lacks"
WRITING = "writing to MLflow …"


class DeliveryProgress:
    """Shows the progress of delivery to MLflow. A context manager and a `framework.tracking.client.Progress`.

    Args:
        progress: False shows nothing.
        shown: the view; by default the terminal's last line, or further lines of a log.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, *, progress: bool, shown: View | None = None, clock: Clock = time.monotonic) -> None:
        self._shown = shown or view(MOST_LINES, progress=progress, at_once=True, clock=clock)
        self._throttle = Throttle(REFRESH_SECONDS, clock)
        self._clock = clock
        self._hint_at = 0.0
        self._several = False
        self._most = 0

    def __call__(self, left: int | None, entries: int) -> None:
        """Update the display with what is left: runs, or items of the run if there is only one."""
        self._hint()
        self._several = self._several or (left or 0) > 1
        count, what = (left or 0, "run") if self._several else (entries, "item")
        self._most = max(self._most, count)
        if count == 0:
            self._shown.show(None, [WRITING])
        elif self._throttle.ready():
            self._shown.show(1 - count / self._most, [f"{WRITING} {counted(count, what)} left"])

    def _hint(self) -> None:
        """Write `HINT` once, `HINT_SECONDS` after the first call."""
        now = self._clock()
        self._hint_at = self._hint_at or now + HINT_SECONDS
        if now >= self._hint_at:
            self._shown.note(HINT)
            self._hint_at = math.inf

    def __enter__(self) -> DeliveryProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()


def whereabouts(folder: Path, uri: str, written: str | None = None) -> str:
    """Return lines that name a run's folder, its MLflow run and the command that opens the UI.

    Args:
        folder: the run's folder.
        uri: the store's address, or "" if tracking is off.
        written: the address as the user wrote it, which may contain interpolations.
    """
    lines = [f"run folder  {shortened_path(folder)}"]
    run = run_id(folder)
    if run is not None:
        naming = Naming.of(uri, written)
        lines += [f"MLflow      run {run} in {_short_store(uri)}"]
        lines += [f"open it     {naming.before}python -m framework ui{naming.option}"]
    return "\n".join(lines) + "\n"


def _short_store(uri: str) -> str:
    database = sqlite_file(uri)
    return without_password(uri) if database is None else shortened_path(database)
