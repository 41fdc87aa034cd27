"""Runs and sweeps that look as if they were running, although their process is gone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from framework.errors import InputError
from framework.runs.closing import close_killed
from framework.runs.cursor import RUN_ID
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import first_entry, last_entry, sweep_of
from framework.runs.ownership import Owner, in_use, owned, owner
from framework.sweeps.closing import close_sweep
from framework.sweeps.state import FILE as SWEEP
from framework.sweeps.state import SweepState, inside


@dataclass(frozen=True)
class Stale:
    """A run or a sweep without an end, which no process writes to.

    Attributes:
        folder: its folder.
        owner: the process that wrote to it, or None if that is not recorded.
        sweep: whether it is a sweep that can be resumed.
        parent: folder of the sweep of another sweeper that the run belongs to, or None.
    """

    folder: Path
    owner: Owner | None
    sweep: bool = False
    parent: Path | None = None

    def close(self) -> None:
        """End its journals, and its state file, with the status KILLED.

        Raises:
            InputError: a process has begun to write to it, or a file is damaged.
            OSError: a file cannot be written.
        """
        with owned(self.folder):
            if self.sweep:
                close_sweep(self.folder)
            else:
                close_killed(self.folder)


@dataclass
class Examined:
    """What was found in and below some folders.

    Attributes:
        stale: runs and sweeps without an end.
        ended: folders of journals that have an end and that no process writes to.
        problems: one line per file that cannot be read.
    """

    stale: list[Stale] = field(default_factory=list)
    ended: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def examine(tops: Iterable[Path]) -> Examined:
    """Return the stale runs and sweeps in and below folders; nothing is changed.

    Args:
        tops: folders of runs or sweeps, or parents of such folders.
    """
    found = Examined()
    seen: set[Path] = set()
    for top in tops:
        for folder in _recorded(top.resolve()):
            if folder not in seen:
                seen.add(folder)
                try:
                    _examine(folder, found, seen)
                except (InputError, OSError) as error:
                    found.problems.append(str(error))
    return found


def _recorded(top: Path) -> Iterator[Path]:
    """Yield the folders in and below one that hold a journal or a sweep's state; above, the sweep of a single job."""
    if (top.parent / SWEEP).is_file():
        yield top.parent
    for name, folders, files in os.walk(top):
        folder = Path(name)
        if folder.name == "artifacts" and RUN_ID.fullmatch(folder.parent.name):  # MLflow's copies
            folders.clear()
        elif {JOURNAL, SWEEP}.intersection(files):
            yield folder
        folders.sort()


def _examine(folder: Path, found: Examined, seen: set[Path]) -> None:
    for name in (JOURNAL, SWEEP):
        if (folder / name).exists() and not (folder / name).is_file():
            raise InputError(f"{folder / name} is not a file: it is left alone")
    if (folder / SWEEP).is_file():
        _examine_sweep(folder, found, seen)
    elif in_use(folder):
        return
    elif _is_open(folder):
        found.stale.append(Stale(folder, owner(folder), parent=_parent(folder)))
    else:
        found.ended.append(folder)


def _examine_sweep(folder: Path, found: Examined, seen: set[Path]) -> None:
    state = SweepState.load(folder)
    jobs = [inside(folder, job.folder) for job in state.jobs]
    seen.update(jobs)
    if in_use(folder):
        return
    begun = [path for path in (folder, *jobs) if (path / JOURNAL).is_file()]
    running = {path for path in begun if _is_open(path)}
    found.ended += [path for path in begun if path not in running]
    if running or state.state == "running":
        last = owner(folder) or Owner(state.host, state.pid, state.started)
        found.stale.append(Stale(folder, last, sweep=True))


def _is_open(folder: Path) -> bool:
    last = last_entry(folder)
    return last is None or last.kind != "end"


def _parent(folder: Path) -> Path | None:
    return sweep_of(folder, first_entry(folder))
