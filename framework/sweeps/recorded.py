"""The jobs of a sweep and their results as its folder records them."""

from __future__ import annotations

from pathlib import Path

from framework.errors import InputError
from framework.runs.content import JournalContent
from framework.runs.finished import Finished
from framework.runs.folder import begun_in
from framework.runs.resume import remade_in
from framework.sweeps.blocks import DIED, Ended, Failed
from framework.sweeps.job import Job
from framework.sweeps.state import SweepState, inside


def recorded_jobs(folder: Path) -> tuple[list[Job], dict[int, Ended]]:
    """Return the jobs of a sweep that have ended in its folder, and their results by number.

    Args:
        folder: the sweep's folder.

    Raises:
        InputError: it is not a sweep's folder, a file is damaged, or a plugin of a run is not loaded.
    """
    jobs, ended = list[Job](), dict[int, Ended]()
    for known in SweepState.load(folder).jobs:
        path = inside(folder, known.folder)
        entries = begun_in(path)
        if not entries or entries[-1].kind != "end":
            continue
        recorded, config = JournalContent.of(entries), remade_in(path, force=False)
        jobs.append(Job(known.number, known.overrides, config, {}, path, setting=recorded.tags.get("setting", "")))
        if recorded.finished:
            ended[known.number] = Finished.of_journal(recorded, str(path), config, known.overrides)
        elif recorded.status == "FAILED":
            ended[known.number] = Failed(recorded.tags.get("error", DIED))
    if not ended:
        raise InputError(f"{folder}: no run of this sweep has ended in this folder")
    return jobs, ended
