"""The training process's side of MLflow: start a writer process, send it journals' folders, and wait at the end.

This module does not import mlflow, and a failure of the writer does not affect training: the journal is complete in any
case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from framework.config.settings import Tracking
from framework.errors import InputError
from framework.runs.cursor import RUN_ID, Cursor
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import read_journal
from framework.system.paths import root_folder
from framework.tracking.store import resolve_experiment, resolve_uri, without_password

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import framework; sys.path.append(sys.path.pop(0)); "
    "from framework.tracking.writer import main; main()"
)
"""The writer imports this copy of the package, even if another is installed; other modules by the usual path."""

Progress = Callable[[int | None, int], object]
"""Called while the end of delivery is awaited: first with None and 0, then every second and at each change with the
number of runs left and the number of entries left of the run that is being delivered."""

Writer = tuple["subprocess.Popen[str]", IO[str]]

_EARLY: list[Writer] = []
"""At most one writer that was started before the store is known; it may never be used."""


def start_early() -> None:
    """Start a writer, so that it imports mlflow while the command is parsed; the next `Tracker` uses it."""
    if not _EARLY:
        with suppress(OSError):  # the tracker will try again and report the error
            _EARLY.append(_spawn())


def stop_early() -> None:
    """Kill a writer from `start_early` that no `Tracker` has used."""
    while _EARLY:
        process, errors = _EARLY.pop()
        process.kill()
        process.communicate()
        errors.close()


def _spawn() -> Writer:
    errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - open until finish
    root = str(root_folder())
    # One BLAS thread: the writer computes very little, and more threads would compete with training for cores.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-c", _START, root],
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
        self.finish()

    def _abandon(self) -> None:
        """Kill the writer, because no run has begun: an input error must not wait for the import of mlflow."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def follow(self, folder: Path) -> None:
        """Start to deliver the journal in ``folder``, which need not exist yet."""
        if self.enabled:
            folder = folder.absolute()
            self._folders[folder] = None
            self._send({"follow": str(folder)})

    def announce(self) -> None:
        """Call ``progress`` with None if `finish` will have to wait for entries that are not delivered yet."""
        if self._process is not None:
            self._announce()

    def _announce(self) -> None:
        if self._progress is not None and not self._broken and any(map(pending, self._folders)):
            self._progress(None, 0)

    def finish(self) -> list[str]:
        """Wait until all journals are delivered; return one line per problem. A second call returns the same list.

        An interrupt while waiting is safe: the writer continues on its own.
        """
        process, self._process = self._process, None
        if process is not None:
            self._wait(process)
        if self._broken:
            waiting = [folder for folder in self._folders if pending(folder)]
            if waiting:
                self.problems.append(undelivered(self.uri, self._broken, waiting))
            self._broken = ""
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        return self.problems

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

    def _wait(self, process: subprocess.Popen[str]) -> None:
        with process:  # closes the pipes and waits
            try:
                if process.stdin is not None:
                    process.stdin.close()
            except OSError:
                self._broken = "the writer process stopped"
            self._announce()
            self.problems += _answers(process.stdout or (), self._progress)
        if process.returncode != 0:
            self._broken = f"the writer process stopped ({self._last_error() or f'exit code {process.returncode}'})"

    def _last_error(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1][:200] if lines else ""


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
    is gone get the status KILLED; runs that another process is delivering are skipped.

    Args:
        folders: folders of runs or sweeps, or parents of such folders.
        uri: the store's address; by default the one that a journal's delivery began with, else as `resolve_uri` finds.
        progress: called while this function waits.

    Raises:
        InputError: there is no journal in one of the folders, or the store's address is invalid.
    """
    stores: dict[str, list[Path]] = {}
    for folder in dict.fromkeys(found for top in folders for found in _with_parent(_journals(top.absolute()))):
        if pending(folder):
            cursor = None if uri else Cursor.load(folder)
            known = None if cursor is None or ":***@" in cursor.tracking_uri else cursor.tracking_uri
            stores.setdefault(known or resolve_uri(uri), []).append(folder)
    result = Synced()
    for store, waiting in stores.items():
        with Tracker(store, progress=progress) as tracker:
            for folder in waiting:
                tracker.follow(folder)
            result.problems += tracker.finish()
        result.delivered += [folder for folder in waiting if not pending(folder)]
    return result


def pending(folder: Path) -> bool:
    """Return whether ``folder`` has a journal that MLflow does not have completely."""
    if not (folder / JOURNAL).exists():
        return False
    cursor = Cursor.load(folder)
    return cursor is None or not cursor.complete(folder)


def undelivered(uri: str, why: str, folders: Sequence[Path]) -> str:
    """Return a line that names the complete journals and the command that delivers them to MLflow later."""
    common = folders[0] if len(folders) == 1 else Path(os.path.commonpath(folders))
    what = f"The journal in {common} is" if len(folders) == 1 else f"The {len(folders)} journals in {common} are"
    return (
        f"MLflow at {without_password(uri)}: {why}. {what} complete; "
        f"`python -m framework sync {common}` will deliver {'it' if len(folders) == 1 else 'them'} later."
    )


def _answers(lines: Iterable[str], progress: Progress | None) -> Iterator[str]:
    for line in lines:
        answer = json.loads(line)
        if "problem" in answer:
            yield answer["problem"]
        elif progress is not None:
            progress(answer["left"], answer["entries"])


def _journals(top: Path) -> list[Path]:
    folders = sorted(path.parent for path in top.rglob(JOURNAL) if not _is_artifact(path))
    if not folders:
        raise InputError(f"{top} holds no {JOURNAL}, nor does any folder in it: give the folder of a run or of a sweep")
    return folders


def _is_artifact(path: Path) -> bool:
    """Return whether a journal is MLflow's artifact copy; delivering it would create a second run."""
    return path.parent.name == "artifacts" and RUN_ID.fullmatch(path.parent.parent.name) is not None


def _with_parent(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield each folder after its sweep's folder, so that its MLflow run can get the sweep's run as its parent."""
    for folder in folders:
        entries = read_journal(folder)
        parent = entries[0].content.get("parent") if entries else None
        if parent and (Path(parent) / JOURNAL).exists():
            yield Path(parent)
        yield folder
