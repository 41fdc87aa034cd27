"""The writer: a separate process that follows journals and delivers them to MLflow.

A thread would slow down training through the interpreter lock, and importing mlflow, which not all stores need, takes
longer than many runs. The trainer (`framework.tracking.client`) starts the writer and sends it JSON lines:
``{"uri": …}`` first, then ``{"follow": FOLDER}`` for each journal. At the end of its input, whether the trainer has
finished or was killed, the writer delivers the rest and sets runs without an end to KILLED. Only then does it send JSON
lines back: ``{"left": RUNS, "entries": ENTRIES_OF_THE_CURRENT_RUN}`` while it works, and ``{"problem": …}`` for each
problem.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from framework.errors import FrameworkError
from framework.runs.journal import FILE as JOURNAL
from framework.tracking.client import EARLY, undelivered
from framework.tracking.delivery import Delivery, UnreachableError, asking, reason
from framework.tracking.outage import Outage
from framework.tracking.store import Store, needs_client, remove_links, without_password
from framework.tracking.waiting import Naming

POLL_SECONDS = 0.3
BATCH_SECONDS = 1.0
SHARE = 0.1
"""Fraction of one core that live logging may use: with many live runs, each is sent less often."""
GROUP = 50
"""Most runs whose entries are stored with one transaction: other processes that write to a database must wait then."""
HELD_SECONDS = 2.0
"""How long a transaction takes further runs, whose files may be large."""
PATIENCE_SECONDS = 10.0
"""How long to wait at the end for journals that another process delivers, or for the run of a parent."""
REPEAT_SECONDS = 1.0
GRACE_SECONDS = 3
"""Seconds from SIGTERM to the end of this process."""
ORPHAN_SECONDS = 1.5
"""How long after the end of the input a journal may still grow: a worker ends a moment after a killed trainer."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # repeating a creation whose answer was lost would create two runs
}
IMPATIENT = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
"""For outages: by default one call blocks for minutes. Variables that the user has set take precedence."""


class Writer:
    """Delivers journals named by the trainer until its input ends.

    Args:
        commands: JSON lines from the trainer.
        answers: stream for JSON lines to the trainer, which may have ended.
        early: whether to import mlflow before the store is known.
    """

    def __init__(self, commands: IO[str], answers: IO[str], *, early: bool = False) -> None:
        self._answers = answers
        self._early = early
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._open = True
        self._active: dict[Path, Delivery] = {}
        self._due: dict[Path, float] = {}
        self._problems: list[str] = []
        self._store: Store | None = None
        self._outage = Outage()
        self._left: dict[str, int] = {}
        self._awaited = False
        self._ended = threading.Event()
        self._speaking = threading.Lock()
        self._uri = ""
        self._naming = Naming.of("")
        self._listener = threading.Thread(target=self._listen, args=(commands,), daemon=True)
        self._listener.start()

    def run(self) -> None:
        """Deliver journals until the input has ended and everything that can be delivered is delivered."""
        if self._early:
            _import_mlflow()
        while self._open:
            self._take()
            self._round()
        self._drain()
        if self._store is not None:
            try:
                self._store.close()
            except sqlite3.Error as error:  # nothing is lost: the write-ahead log keeps what the database lacks
                self._problems.append(f"{without_password(self._uri)} is not closed: {reason(error)}")
        self._ended.set()
        self._listener.join()
        for problem in dict.fromkeys(self._problems):
            self._say(problem=problem)

    def _listen(self, commands: IO[str]) -> None:
        """Read commands in a thread, so that the trainer never blocks on a full pipe; then report what is left.

        End the process if the trainer ends before it has named a journal: there is nothing to deliver, and the main
        thread may be importing mlflow.
        """
        named = False
        for line in commands:
            self._commands.put(line)
            named = named or "follow" in json.loads(line)
        if not named:
            os._exit(0)
        self._commands.put(None)
        self._awaited = True
        while not self._ended.wait(REPEAT_SECONDS):  # a call may take long: the trainer shows that it waits
            if self._left:
                self._say(**self._left)

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
                self._obey(json.loads(line))

    def _obey(self, command: dict[str, str]) -> None:
        if "uri" in command:
            self._uri, self._naming = command["uri"], Naming.of(command["uri"])
            if needs_client(self._uri):
                _import_mlflow()
        if "follow" in command:
            folder = Path(command["follow"])
            if folder not in self._active:
                self._begin(folder)

    def _begin(self, folder: Path) -> None:
        self._active[folder] = Delivery(folder, self._uri)
        self._active[folder].told = self._tell

    def _round(self) -> None:
        """Send new entries of each journal: at once if its run has ended, else at most once per `BATCH_SECONDS`."""
        self._claim()
        for group in self._groups():
            with self._kept(group):
                for delivery in self._some(group):
                    self._follow(delivery)

    def _follow(self, delivery: Delivery) -> None:
        started = time.monotonic()
        with self._guarded(delivery):
            if not delivery.claim() or not delivery.poll():
                return
            if started < self._due.get(delivery.folder, 0.0) and not delivery.ending:
                return
            if delivery.send(self._opened()) and delivery.cursor.ended:
                self._release(delivery)
        now = time.monotonic()
        self._due[delivery.folder] = now + max(BATCH_SECONDS, (now - started) * len(self._active) / SHARE)

    def _groups(self) -> Iterator[list[Delivery]]:
        deliveries = list(self._active.values())
        for start in range(0, len(deliveries), GROUP):
            yield deliveries[start : start + GROUP]

    def _some(self, group: Sequence[Delivery]) -> Iterator[Delivery]:
        """Yield deliveries of a group until the store does not answer, or others have waited long enough for it."""
        until = time.monotonic() + HELD_SECONDS
        for delivery in group:
            if self._outage.wait() or time.monotonic() > until:
                return
            yield delivery

    @contextmanager
    def _kept(self, group: Sequence[Delivery]) -> Iterator[None]:
        """Store what the deliveries of a group send with one transaction; then save how much of each the store has.

        If the transaction fails, these deliveries begin again with what was saved before.
        """
        if self._store is None:  # the first call opens it
            yield
            return
        calls = self._store.calls
        calls.hold()
        yield
        unsaved = [delivery for delivery in group if delivery.unsaved]
        try:
            with asking(everybody=True):
                calls.keep()
        except UnreachableError as error:
            self._outage.failed(str(error))
            for delivery in unsaved:
                delivery.close()
                self._begin(delivery.folder)
            return
        for delivery in unsaved:
            self._outage.answered()
            with self._guarded(delivery):
                delivery.save()
            if self._active.get(delivery.folder) is not delivery:
                delivery.close()

    def _claim(self) -> None:
        """Lock all journals, which records their store, before the first one is sent: the store may not answer."""
        for delivery in list(self._active.values()):
            with self._guarded(delivery):
                delivery.claim()

    def _drain(self) -> None:
        """Deliver everything that is left, or give up if the store does not answer; the trainer writes no more."""
        began = time.monotonic()
        self._claim()
        self._outage.hurry()
        while self._active and not self._pass(began):
            if self._active:
                time.sleep(POLL_SECONDS)
        if self._active:
            self._problems.append(undelivered(self._uri, self._outage.reason, list(self._active), self._naming))
        for delivery in self._active.values():
            delivery.close()

    def _pass(self, began: float) -> bool:
        """Try to conclude each delivery once; return whether to give up because the store does not answer."""
        for group in self._groups():
            time.sleep(self._outage.wait())
            with self._kept(group):
                for delivery in self._some(group):
                    self._tell(0)
                    with self._guarded(delivery):
                        self._conclude(delivery, time.monotonic() - began)
            if self._outage.lasts():
                return True
        return False

    def _tell(self, entries: int) -> None:
        """Note how many runs are left, and how many entries of the run that is being delivered."""
        self._left = {"left": len(self._active), "entries": entries}
        if self._awaited:
            self._say(**self._left)

    def _conclude(self, delivery: Delivery, waited: float) -> None:
        late = waited > PATIENCE_SECONDS
        if not delivery.claim():
            if not (delivery.folder / JOURNAL).exists():  # the run was never started
                self._release(delivery)
            elif late:
                self._problems.append(f"{delivery.folder} is still being delivered by another process")
                self._release(delivery)
            return
        delivery.alone = late and delivery.parent not in self._active
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
        """Turn an error of one run into a problem line, so that other runs continue; note whether the store answers."""
        before = delivery.progress
        try:
            yield
        except UnreachableError as error:
            if delivery.progress != before and not delivery.unsaved:
                self._outage.answered()
            self._outage.failed(str(error))
            # Begin with another run next time: the store may fail for this one only.
            self._active[delivery.folder] = self._active.pop(delivery.folder)
        except (FrameworkError, OSError) as error:
            again = f"`python -m framework sync {delivery.folder}` tries again"
            self._problems.append(f"{delivery.folder} is not delivered: {reason(error)}; {again}")
            self._release(delivery)
        else:
            if delivery.progress != before and not delivery.unsaved:
                self._outage.answered()
        finally:
            self._problems += delivery.problems
            delivery.problems.clear()

    def _release(self, delivery: Delivery) -> None:
        if not delivery.unsaved:  # else it stays locked until it is saved
            delivery.close()
        self._active.pop(delivery.folder, None)
        self._due.pop(delivery.folder, None)

    def _say(self, **answer: Any) -> None:
        with self._speaking, suppress(BrokenPipeError):  # the trainer was killed; continue without it
            print(json.dumps(answer), file=self._answers, flush=True)


def main() -> None:
    """Run a `Writer` for one trainer, over standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # this process ends at the end of its input, after delivery
    signal.signal(signal.SIGTERM, _end_soon)
    # mlflow may print to standard output, which must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ.update(QUIET)
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    _allow_many_files()
    Writer(sys.stdin, answers, early=EARLY in sys.argv).run()
    # All is delivered and closed. The trainer waits, and Python would take a second to tear down MLflow's modules.
    remove_links()
    answers.close()
    sys.stderr.flush()
    os._exit(0)


def _import_mlflow() -> None:
    """Import mlflow, which takes more than a second, while the trainer starts and trains."""
    import mlflow  # noqa: F401


def _end_soon(_signal: int, _frame: object) -> None:
    """End this process after `GRACE_SECONDS`, or at once at a second signal.

    A system that stops all processes of a job signals the trainer too, whose last entries are still delivered then.
    What is not delivered stays in the journals.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(GRACE_SECONDS)
    else:
        os._exit(1)


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard limit, because each live run's journal is an open file."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
