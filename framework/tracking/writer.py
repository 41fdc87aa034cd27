"""The writer: a separate process that follows journals and delivers them to MLflow.

A thread would slow down training through the interpreter lock, and importing mlflow takes longer than many runs. The
trainer (`framework.tracking.client`) starts the writer and sends it JSON lines: ``{"uri": …}`` first, then
``{"follow": FOLDER}`` for each journal. At the end of its input, whether the trainer has finished or was killed, the
writer delivers the rest and sets runs without an end to KILLED. Only then does it send JSON lines back: ``{"left": n}``
while it works, and ``{"problem": …}`` for each problem.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from framework.errors import FrameworkError
from framework.runs.journal import FILE as JOURNAL
from framework.tracking.client import undelivered
from framework.tracking.delivery import Delivery, UnreachableError, asking, reason
from framework.tracking.store import Store

POLL_SECONDS = 0.3
BATCH_SECONDS = 1.0
SHARE = 0.1
"""Fraction of one core that live logging may use: with many live runs, each is sent less often."""
RETRY_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
"""How long to wait at the end for journals that another process delivers, or for the run of a parent."""
ORPHAN_SECONDS = 1.5
"""How long after the end of the input a journal may still grow: a worker ends a moment after a killed trainer."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
"""For outages: by default one call blocks for minutes. Variables that the user has set take precedence."""


class Writer:
    """Delivers journals named by the trainer until its input ends.

    Args:
        commands: JSON lines from the trainer.
        answers: stream for JSON lines to the trainer, which may have ended.
    """

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._answers = answers
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._active: dict[Path, Delivery] = {}
        self._due: dict[Path, float] = {}
        self._problems: list[str] = []
        self._store: Store | None = None
        self._retry_at = 0.0
        threading.Thread(target=self._listen, args=(commands,), daemon=True).start()
        first = self._commands.get()
        self._open = first is not None  # else the trainer has died before it knew the store
        self._uri: str = json.loads(first)["uri"] if first else ""

    def run(self) -> None:
        """Deliver journals until the input has ended and everything that can be delivered is delivered."""
        while self._open:
            self._take()
            if time.monotonic() >= self._retry_at:
                try:
                    self._round()
                except UnreachableError:
                    self._retry_at = time.monotonic() + RETRY_SECONDS
        self._drain()
        for problem in self._problems:
            self._say(problem=problem)

    def _listen(self, commands: IO[str]) -> None:
        """Read commands in a thread, so that the trainer never blocks on a full pipe."""
        for line in commands:
            self._commands.put(line)
        self._commands.put(None)

    def _take(self) -> None:
        """Read commands for one poll interval."""
        until = time.monotonic() + max(POLL_SECONDS, len(self._active) / 2000)
        while self._open and (left := until - time.monotonic()) > 0:
            try:
                line = self._commands.get(timeout=left)
            except queue.Empty:
                return
            if line is None:
                self._open = False
            else:
                folder = Path(json.loads(line)["follow"])
                self._active.setdefault(folder, Delivery(folder, self._uri))

    def _round(self) -> None:
        """Send new entries of each journal: at once if its run has ended, else at most once per `BATCH_SECONDS`."""
        for folder, delivery in list(self._active.items()):
            started = time.monotonic()
            with self._guarded(delivery):
                if not delivery.claim() or not delivery.poll():
                    continue
                if started < self._due.get(folder, 0.0) and not delivery.ending:
                    continue
                if delivery.send(self._opened()) and delivery.cursor.ended:
                    self._release(delivery)
            now = time.monotonic()
            self._due[folder] = now + max(BATCH_SECONDS, (now - started) * len(self._active) / SHARE)

    def _drain(self) -> None:
        """Deliver everything that is left; the trainer writes no more entries."""
        began = time.monotonic()
        try:
            while self._active:
                for delivery in list(self._active.values()):
                    self._say(left=len(self._active))
                    with self._guarded(delivery):
                        self._conclude(delivery, time.monotonic() - began)
                if self._active:
                    time.sleep(POLL_SECONDS)
        except UnreachableError as error:
            self._problems.append(undelivered(self._uri, str(error), list(self._active)))
        for delivery in self._active.values():
            delivery.close()

    def _conclude(self, delivery: Delivery, waited: float) -> None:
        late = waited > PATIENCE_SECONDS
        if not delivery.claim():
            if not (delivery.folder / JOURNAL).exists():  # the run was never started
                self._release(delivery)
            elif late:
                self._problems.append(f"{delivery.folder} is still being delivered by another process")
                self._release(delivery)
            return
        delivery.alone = late
        if not delivery.poll() and (delivery.cursor.ended or delivery.cursor.run_id is None):
            self._release(delivery)
        elif delivery.send(self._opened()) and (delivery.cursor.ended or waited > ORPHAN_SECONDS):
            delivery.give_up(self._opened())
            self._release(delivery)

    def _opened(self) -> Store:
        if self._store is None:
            with asking(everybody=True):
                self._store = Store(self._uri)
        return self._store

    @contextmanager
    def _guarded(self, delivery: Delivery) -> Iterator[None]:
        """Turn an error of one run into a problem line, so that other runs continue; re-raise `UnreachableError`."""
        try:
            yield
        except UnreachableError:
            raise
        except (FrameworkError, OSError) as error:
            again = f"`python -m framework sync {delivery.folder}` tries again"
            self._problems.append(f"{delivery.folder} is not delivered: {reason(error)}; {again}")
            self._release(delivery)
        finally:
            self._problems += delivery.problems
            delivery.problems.clear()

    def _release(self, delivery: Delivery) -> None:
        delivery.close()
        self._active.pop(delivery.folder, None)
        self._due.pop(delivery.folder, None)

    def _say(self, **answer: Any) -> None:
        with suppress(BrokenPipeError):  # the trainer was killed; continue without it
            print(json.dumps(answer), file=self._answers, flush=True)


def main() -> None:
    """Run a `Writer` for one trainer, over standard input and output."""
    for name in ("SIGINT", "SIGTERM"):  # this process ends at the end of its input, after delivery
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    # mlflow may print to standard output, which must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ.update(QUIET)
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    _allow_many_files()
    import mlflow  # noqa: F401 - takes more than a second; do it while the trainer starts and trains

    Writer(sys.stdin, answers).run()


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard limit, because each live run's journal is an open file."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
