"""What a person sees at the end of a run or sweep while MLflow still receives what was recorded."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from types import TracebackType

from framework.runs.cursor import run_id
from framework.system.formatting import counted, shortened_path
from framework.system.pace import Clock, Throttle
from framework.system.terminal import View, view
from framework.tracking.store import resolve_uri, sqlite_file, without_password

REFRESH_SECONDS = 0.2
"""Between two updates of what is shown."""
MOST_LINES = 5
"""In a log, the first at once."""
WRITING = "writing to MLflow …"


class DeliveryProgress:
    """Says that MLflow is written to. A context manager; called as `framework.tracking.client.Progress`.

    Args:
        progress: False says nothing.
        shown: where; by default a terminal's last line, or a log's next lines.
        clock: seconds.
    """

    def __init__(self, *, progress: bool, shown: View | None = None, clock: Clock = time.monotonic) -> None:
        self._shown = shown or view(MOST_LINES, progress=progress, at_once=True, clock=clock)
        self._throttle = Throttle(REFRESH_SECONDS, clock)
        self._most = 0

    def __call__(self, left: int | None) -> None:
        """Say it; with how many runs are left, if that is known and there ever was more than one."""
        self._most = max(self._most, left or 0)
        if left is None or self._most == 1:
            self._shown.show(None, [WRITING])
        elif self._throttle.ready():
            self._shown.show(1 - left / self._most, [f"{WRITING} {counted(left, 'run')} left"])

    def __enter__(self) -> DeliveryProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()


def whereabouts(folder: Path, uri: str) -> str:
    """Return where a run is stored and the command that opens the UI; ``uri`` is "" where tracking is off."""
    lines = [f"run folder  {shortened_path(folder)}"]
    run = run_id(folder)
    if run is not None:
        elsewhere = "" if uri == resolve_uri() else f" --uri {shlex.quote(without_password(uri))}"
        lines += [f"MLflow      run {run} in {_short_store(uri)}", f"open it     python -m framework ui{elsewhere}"]
    return "\n".join(lines) + "\n"


def _short_store(uri: str) -> str:
    database = sqlite_file(uri)
    return without_password(uri) if database is None else shortened_path(database)
