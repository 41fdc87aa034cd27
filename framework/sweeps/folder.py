"""The folder of a sweep: refused if something in it, or in one of its jobs' folders, would be lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framework.errors import InputError
from framework.runs.cursor import FILE as CURSOR
from framework.runs.folder import ANOTHER, begun_in, refuse_files, refuse_used_run, same_run
from framework.sweeps.job import Job

SWEEP_FILES = ("multirun.yaml", "environment.txt", "leaderboard.csv", "settings.csv", "leaderboard.png", CURSOR)


def refuse_used_sweep(folder: Path, arguments: Sequence[str], jobs: Sequence[Job], subdir: str | None) -> bool:
    """Refuse a folder in which a sweep or one of its jobs would overwrite something.

    Args:
        folder: of the sweep.
        arguments: of its command.
        jobs: its jobs.
        subdir: the folder of Hydra's own files in the job's.

    Returns:
        Whether the folder holds this very sweep, begun and killed.

    Raises:
        InputError: the folder holds another sweep or other files of the same names, or jobs share a folder; nothing
            was written.
    """
    _refuse_shared(folder, jobs)
    begun = begun_in(folder)
    if begun:
        same = begun[0].content.get("params", {}).get("arguments") == " ".join(arguments)
        if not same or begun[-1].kind == "end":
            raise InputError(f"{folder} holds another sweep: {ANOTHER}")
    else:
        refuse_files(folder, SWEEP_FILES)
    for job in jobs:
        if not (begun and same_run(begun_in(job.folder), job.config)):  # what has ended is left alone
            refuse_used_run(job.folder, job.config, job.unresolved, subdir)
    return bool(begun)


def _refuse_shared(folder: Path, jobs: Sequence[Job]) -> None:
    seen = {folder}
    for job in jobs:
        if job.folder in seen:
            raise InputError(
                f"hydra.sweep.subdir: job {job.number} would share {job.folder} with another; "
                "make the names differ, as with ${hydra.job.num}"
            )
        seen.add(job.folder)
