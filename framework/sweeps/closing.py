"""The end of a sweep that did not write it itself, because it was interrupted or its process was killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from framework.runs.closing import close_killed
from framework.runs.journal import last_entry
from framework.sweeps.state import FILE, SweepState, inside


def close_jobs(folders: Iterable[Path]) -> None:
    """End the journals of jobs that have begun and have no end; no process may train them any more."""
    for folder in folders:
        close_killed(folder)


def close_sweep(folder: Path) -> None:
    """End the journals of a sweep and of its jobs with the status KILLED, and write the sweep's end to its state file.

    Files that have an end are left alone. No other process may write to the sweep.

    Raises:
        InputError: the state file or a journal is damaged.
        OSError: a file cannot be written.
    """
    state = SweepState.load(folder)
    close_jobs(inside(folder, job.folder) for job in state.jobs)
    close_killed(folder)
    if state.state == "running":
        last = last_entry(folder)
        state.ended("killed" if last is None else str(last.content["status"]).lower()).save(folder)


@contextmanager
def closed_sweep(folder: Path) -> Iterator[None]:
    """Close the sweep in a folder if an interrupt ends the ``with`` block, wherever the interrupt came."""
    try:
        yield
    except KeyboardInterrupt:
        if (folder / FILE).is_file() and SweepState.load(folder).state == "running":
            close_sweep(folder)
        raise
