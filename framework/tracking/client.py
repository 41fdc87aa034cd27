"""The training process's side of MLflow: start a writer process, send it journals' folders, and wait at the end.

This module does not import mlflow, and a failure of the writer does not affect training: the journal is complete in any
case.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any, cast

from framework.config.settings import Tracking
from framework.errors import InputError
from framework.runs.cursor import Cursor
from framework.runs.journal import FILE as JOURNAL
from framework.system.paths import root_folder
from framework.tracking.store import resolve_experiment, resolve_uri, sqlite_file, without_password
from framework.tracking.waiting import Naming, Waiting
from framework.tracking.waiting import pending as pending

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import framework; sys.path.append(sys.path.pop(0)); "
    "from framework.tracking.writer import main; main()"
)
"""The writer imports this copy of the package, even if another is installed; other modules by the usual path."""

Progress = Callable[[int | None, int], object]
"""Called while the end of delivery is awaited: first with None and 0, then every second and at each change with the
number of runs left and the number of entries left of the run that is being delivered."""

POLL_SECONDS = 0.5
"""How often the wait for the writer looks for an interrupt, where the system does not end a wait by itself."""

INTERRUPT_SECONDS = 3.0
"""How long the end of delivery is awaited after an interrupt; what is left then is left to `sync`."""

EARLY = "early"
"""Argument of a writer that imports mlflow before it knows the store."""

Writer = tuple["subprocess.Popen[str]", IO[str]]

_EARLY: list[Writer] = []
"""At most one writer that was started before the store is known; it may never be used."""

_RUNNING: set[subprocess.Popen[str]] = set()
"""All writers that have not ended yet, as far as this process knows."""


def start_early(uri: str | None = None) -> None:
    """Start a writer, so that it imports mlflow while the command is parsed; the next `Tracker` uses it.

    Do nothing if the store is a database that exists: most do not need the import, and a command whose settings are
    wrong would wait for the processor.

    Args:
        uri: the store's address, as for `resolve_uri`; an invalid one is ignored.
    """
    try:
        database = sqlite_file(resolve_uri(uri))
    except InputError:
        return
    if not _EARLY and (database is None or not database.is_file()):
        with suppress(OSError):  # the tracker will try again and report the error
            _EARLY.append(_spawn(EARLY))


def stop_early() -> None:
    """Kill a writer that no `Tracker` has used, or whose `Tracker` was interrupted as it began."""
    while _EARLY:
        process, errors = _EARLY.pop()
        _end(process)
        errors.close()
    for process in list(_RUNNING):
        _end(process)


def kill_writers() -> None:
    """Kill all writers without waiting, for a process that ends at once; `sync` delivers what they leave."""
    for process in _RUNNING:
        process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a writer, unless it has ended, and wait for its end."""
    process.kill()
    _RUNNING.discard(process)
    with process, suppress(BrokenPipeError):  # closes its pipes
        if process.stdin is not None:
            process.stdin.close()


def _spawn(*words: str) -> Writer:
    errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - open until finish
    root = str(root_folder())
    # One BLAS thread: the writer computes very little, and more threads would compete with training for cores.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-c", _START, root, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C must not reach the writer, which still has entries to deliver
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except OSError:
        errors.close()
        raise
    _RUNNING.add(process)
    return process, errors


class Tracker:
    """Delivers journals to MLflow through a writer process while their runs train. A context manager.

    Args:
        uri: the store's address, as for `resolve_uri`.
        enabled: False makes every method do nothing.
        progress: called while `finish` waits, unless there is nothing to wait for.

    Attributes:
        problems: one line per problem; filled by `finish`, which is called when the context is left.

    Raises:
        InputError: the store's address is invalid.
    """

    def __init__(self, uri: str | None = None, enabled: bool = True, progress: Progress | None = None) -> None:
        self.enabled = enabled
        self.uri = resolve_uri(uri) if enabled else ""
        self.problems: list[str] = []
        self._progress = progress
        self._folders: dict[Path, None] = {}
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._answers: SimpleQueue[str | None] | None = None  # None until the end is awaited
        self._deadline = math.inf
        self._again = True  # whether a writer that dies may be started again
        self._broken = ""

    @classmethod
    def of(cls, section: Tracking, progress: Progress | None = None) -> Tracker:
        """Return the tracker for a run's settings.

        Args:
            section: the settings.
            progress: as for the class.

        Raises:
            InputError: the store's address is invalid, or no store accepts the experiment's name.
        """
        if section.enabled:
            resolve_experiment(section.experiment)
        return cls(section.uri, section.enabled, progress)

    def __enter__(self) -> Tracker:
        if self.enabled:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not any((folder / JOURNAL).exists() for folder in self._folders):
            self._abandon()
        if isinstance(error, KeyboardInterrupt):
            self._deadline = time.monotonic() + INTERRUPT_SECONDS
        for problem in self.finish():
            if error is not None:
                error.add_note(problem)

    def _abandon(self) -> None:
        """Kill the writer, because no run has begun: an input error must not wait for the import of mlflow."""
        if self._process is not None:
            _end(self._process)
            self._process = None

    def follow(self, folder: Path) -> None:
        """Start to deliver the journal in ``folder``, which need not exist yet."""
        if self.enabled:
            folder = folder.absolute()
            self._folders[folder] = None
            self.note(folder)
            self._send({"follow": str(folder)})

    def note(self, folder: Path) -> None:
        """Record the store in a followed folder if its journal has begun, in case that nothing is delivered now.

        The journals of a sweep's runs are recorded for the store of the sweep.
        """
        if self.enabled and (folder / JOURNAL).is_file():
            Cursor(without_password(self.uri)).begin(folder)

    def announce(self) -> None:
        """Call ``progress`` with None if `finish` will have to wait for entries that are not delivered yet."""
        if self._process is not None:
            self._announce()

    def _announce(self) -> None:
        if self._progress is not None and not self._broken and any(map(pending, self._folders)):
            self._progress(None, 0)

    def finish(self) -> list[str]:
        """Wait until all journals are delivered; return one line per problem. A second call returns the same list.

        After an interrupt, delivery goes on for at most `INTERRUPT_SECONDS`; then the interrupt is raised again, with
        the problems as notes.
        """
        try:
            self._finish()
        except KeyboardInterrupt as interrupt:
            self._deadline = min(self._deadline, time.monotonic() + INTERRUPT_SECONDS)
            self._finish()
            for problem in self.problems:
                interrupt.add_note(problem)
            raise
        return self.problems

    def _finish(self) -> None:
        """Wait for the end of delivery; after an interrupt, a second call goes on."""
        while self._process is not None:
            killed = self._wait(self._process)
            self._process = None
            if killed and self._again and time.monotonic() < self._deadline:
                self._restart()
        if self._broken:
            waiting = [folder for folder in self._folders if pending(folder)]
            if waiting:
                self.problems.append(undelivered(self.uri, self._broken, waiting))
            self._broken = ""
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _restart(self) -> None:
        """Start a second writer, once, for what the first has not delivered: a signal killed it."""
        waiting = [folder for folder in self._folders if pending(folder)]
        self._again = False
        if waiting:
            if self._errors is not None:
                self._errors.close()
            self._broken, self._answers = "", None
            self._start()
            for folder in waiting:
                self._send({"follow": str(folder)})

    def _start(self) -> None:
        try:
            self._process, self._errors = _EARLY.pop() if _EARLY else _spawn()
        except OSError as error:
            self._broken = f"the writer process could not be started ({error})"
            return
        self._send({"uri": self.uri})

    def _send(self, command: dict[str, str]) -> None:
        if self._process is None or self._process.stdin is None or self._broken:
            return
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            self._broken = "the writer process stopped"

    def _wait(self, process: subprocess.Popen[str]) -> bool:
        """Wait until the writer ends, and kill it at the deadline; return whether a signal has ended it."""
        if self._answers is None:
            try:
                if process.stdin is not None:
                    process.stdin.close()
            except OSError:
                self._broken = "the writer process stopped"
            self._answers = _lines(cast(IO[str], process.stdout))
            self._announce()
        while time.monotonic() < self._deadline:
            try:
                line = self._answers.get(timeout=min(POLL_SECONDS, max(self._deadline - time.monotonic(), 0.0)))
            except queue.Empty:
                continue
            if line is None:
                break
            self._take(json.loads(line))
        else:
            self._broken = f"no end of the delivery within {INTERRUPT_SECONDS:.0f} s of the interrupt"
            process.kill()
        process.wait()
        _RUNNING.discard(process)
        if process.returncode != 0 and not self._broken.startswith("no end"):
            self._broken = f"the writer process stopped ({self._last_error() or f'exit code {process.returncode}'})"
        return process.returncode < 0

    def _take(self, answer: dict[str, Any]) -> None:
        if "problem" in answer:
            self.problems.append(answer["problem"])
        elif self._progress is not None:
            self._progress(answer["left"], answer["entries"])

    def _last_error(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return without_password(lines[-1])[:200] if lines else ""


@dataclass
class Synced:
    """The result of `sync`.

    Attributes:
        delivered: folders whose journals are now complete in MLflow.
        problems: one line per problem.
    """

    delivered: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def sync(folders: Iterable[Path], uri: str | None = None, progress: Progress | None = None) -> Synced:
    """Deliver the journals in and below ``folders`` that MLflow does not have completely.

    Delivery is the same as during training: entries that were delivered are not sent again. Runs whose training process
    is gone get the status KILLED; runs that another process is delivering are skipped. A journal that cannot be
    delivered, or that is recorded for another store, is a problem; the others are delivered.

    Args:
        folders: folders of runs or sweeps, or parents of such folders.
        uri: the store's address, which gets all journals that it does not have; by default the address as `resolve_uri`
            finds it, which gets those that are not recorded for another store.
        progress: called while this function waits.

    Raises:
        InputError: there is no journal in one of the folders, or the store's address is invalid.
    """
    found = Waiting(folders, uri)
    result = Synced(problems=found.problems)
    if found.folders:
        with Tracker(found.uri, progress=progress) as tracker:
            for folder in found.folders:
                tracker.follow(folder)
            result.problems += tracker.finish()
        result.delivered += [folder for folder in found.folders if not pending(folder, found.uri)]
    return result


def undelivered(uri: str, why: str, folders: Sequence[Path], naming: Naming | None = None) -> str:
    """Return a line that names the complete journals and the command that delivers them to MLflow later."""
    naming = naming or Naming.of(uri)
    common = folders[0] if len(folders) == 1 else Path(os.path.commonpath(folders))
    what = f"The journal in {common} is" if len(folders) == 1 else f"The {len(folders)} journals in {common} are"
    return (
        f"MLflow at {without_password(uri)}: {without_password(why)}. {what} complete; {naming.before}"
        f"`python -m framework sync {shlex.quote(str(common))}{naming.option}` will deliver "
        f"{'it' if len(folders) == 1 else 'them'} later."
    )


def _lines(stream: IO[str]) -> SimpleQueue[str | None]:
    """Return a queue of the lines of a stream, and None at its end; a thread reads them."""
    lines: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines
