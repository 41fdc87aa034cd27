"""The jobs of a sweep that is resumed: which have finished, which continue, and which are new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from framework.checkpoint.file import epoch_of
from framework.errors import InputError
from framework.runs.content import JournalContent
from framework.runs.finished import Finished
from framework.runs.folder import begun_in, same_run
from framework.runs.reuse import FinishedRun
from framework.sweeps.job import Job
from framework.sweeps.state import JobIdentity


@dataclass(frozen=True)
class Resumed:
    """The jobs of a resumed sweep.

    Attributes:
        jobs: all jobs, with the numbers and folders that they had.
        finished: results of the jobs that have finished, by number.
        waiting: numbers of further jobs that are not to be run.
        resume: whether the sweep is resumed; False for a sweep from the start.
    """

    jobs: Sequence[Job]
    finished: Mapping[int, Finished] = field(default_factory=dict)
    waiting: frozenset[int] = frozenset()
    resume: bool = False

    @property
    def left(self) -> list[Job]:
        """The jobs to run."""
        return [job for job in self.jobs if job.number not in self.finished and job.number not in self.waiting]


Place = Callable[[int, Sequence[str]], Path]
"""Function that returns the folder of a job, for its number and its overrides."""


def resumed(
    jobs: Sequence[Job], before: Sequence[JobIdentity], folder: Path, place: Place, *, failed_only: bool = False
) -> Resumed:
    """Return the jobs of a sweep that is continued.

    Args:
        jobs: the jobs as composed now.
        before: the jobs as the sweep's state file lists them.
        folder: the sweep's folder.
        place: returns the folders of new jobs.
        failed_only: whether to run only the jobs that failed.

    Raises:
        InputError: a job of the state file is not composed any more, or a job's folder holds another run.
    """
    placed = _placed(jobs, before, folder, place)
    finished, waiting = {}, set()
    for job in placed:
        begun = begun_in(job.folder)
        if begun and not same_run(begun, job.config):
            raise InputError(f"{job.folder} holds another run: job {job.number} of this sweep cannot continue there")
        recorded = JournalContent.of(begun)
        if recorded.finished:
            finished[job.number] = Finished.of_journal(recorded, str(job.folder), job.config, job.distinguishing)
        elif failed_only and recorded.status != "FAILED":
            waiting.add(job.number)
    jobs = [replace(job, resume=True, epoch=epoch_of(job.folder)) for job in placed]
    return Resumed(tuple(jobs), finished, frozenset(waiting), resume=True)


def with_earlier(chosen: Resumed, runs: Mapping[str, FinishedRun]) -> Resumed:
    """Return the jobs of a sweep with the results of earlier runs for those that have not begun.

    Args:
        chosen: the jobs.
        runs: finished runs by identity.
    """
    taken = {
        job.number: Finished.of_journal(run.content, str(run.folder), job.config, job.distinguishing, reused=True)
        for job in chosen.left
        if (run := runs.get(job.config.identity)) and not begun_in(job.folder)
    }
    return replace(chosen, finished={**chosen.finished, **taken})


def _placed(jobs: Sequence[Job], before: Sequence[JobIdentity], folder: Path, place: Place) -> list[Job]:
    """Return the jobs in the order of their numbers: those of the state file with theirs, new ones after them."""
    waiting: dict[str, list[JobIdentity]] = {}
    for known in before:
        waiting.setdefault(known.identity, []).append(known)
    placed, new = [], []
    for job in jobs:
        same = waiting.get(job.config.identity)
        if same:
            known = same.pop(0)
            placed.append(replace(job, number=known.number, folder=_inside(folder, known.folder)))
        else:
            new.append(job)
    for missing in (known for several in waiting.values() for known in several):
        raise InputError(
            f"job {missing.number} ({' '.join(missing.overrides)}) is not composed with the identity "
            f"{missing.identity} any more: a setting, a default or a plugin file has changed"
        )
    first = max((known.number for known in before), default=-1) + 1
    for number, job in enumerate(new, start=first):
        placed.append(replace(job, number=number, folder=place(number, job.overrides)))
    return sorted(placed, key=lambda job: job.number)


def _inside(folder: Path, name: str) -> Path:
    """Return a folder inside the sweep's, which the state file names.

    Raises:
        InputError: it is outside.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: its state file names the job folder {name}, which is outside: it is damaged")
    return path
