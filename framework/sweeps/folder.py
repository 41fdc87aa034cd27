"""Checks of a sweep's folder: it is refused if files in it, or in a job's folder, would be overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.errors import InputError
from framework.runs.cursor import FILE as CURSOR
from framework.runs.folder import ANOTHER, begun_in, refuse_files, refuse_used_run, same_run
from framework.sweeps.job import Job
from framework.system.addresses import masked_words

SWEEP_FILES = (
    *("multirun.yaml", "environment.txt", "leaderboard.csv", "settings.csv", "leaderboard.png"),
    *("sweep.json", CURSOR),
)


def refuse_alone(config: RunConfig) -> None:
    """Raise InputError if a single run has settings that choose among the runs of a sweep.

    Raises:
        InputError: such a setting is on.
    """
    display = config.section(Display)
    for name in ("reuse", "failed_only"):
        if getattr(display, name):
            raise InputError(f"{name}=true is about the runs of a sweep: add -m")


def refuse_used_sweep(folder: Path, arguments: Sequence[str], jobs: Sequence[Job], subdir: str | None) -> bool:
    """Raise InputError if a sweep or one of its jobs would overwrite files.

    Args:
        folder: the sweep's folder.
        arguments: the overrides of its command.
        jobs: its jobs.
        subdir: name of the folder for Hydra's files inside a job's folder, or None.

    Returns:
        Whether the folder holds this same sweep, begun and not ended.

    Raises:
        InputError: the folder holds another sweep or other files of the same names, or jobs share a folder. Nothing
            was written.
    """
    _refuse_shared(folder, jobs)
    begun = begun_in(folder)
    if begun:
        same = begun[0].content.get("params", {}).get("arguments") == " ".join(masked_words(arguments))
        if same and begun[-1].content.get("status") == "KILLED":
            raise InputError(f"{folder} holds this sweep, interrupted: python -m framework resume {folder}")
        if not same or begun[-1].kind == "end":
            raise InputError(f"{folder} holds another sweep: {ANOTHER}")
    else:
        refuse_files(folder, SWEEP_FILES)
    for job in jobs:
        # A job of this sweep that has begun or ended is not refused: its folder is kept.
        if not (begun and same_run(begun_in(job.folder), job.config)):
            refuse_used_run(job.folder, job.config, job.unresolved, subdir)
    return bool(begun)


def _refuse_shared(folder: Path, jobs: Sequence[Job]) -> None:
    seen = {folder}
    for job in jobs:
        if job.folder in seen:
            raise InputError(
                f"hydra.sweep.subdir: job {job.number} would share {job.folder} with another; "
                "use distinct names, such as ${hydra.job.num}"
            )
        seen.add(job.folder)
