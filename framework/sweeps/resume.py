"""The jobs of a sweep that is resumed: which have finished, which continue, and which are new."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from framework.checkpoint.file import epoch_of, plugins_of
from framework.config.settings import Display
from framework.errors import InputError
from framework.registry.manager import current
from framework.runs.content import JournalContent
from framework.runs.finished import Finished
from framework.runs.folder import begun_in, same_run
from framework.runs.journal import Entry
from framework.runs.provenance import outside
from framework.runs.resume import difference, last_state
from framework.runs.reuse import FinishedRun
from framework.runs.samples import other_samples, sample_hashes
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.job import Job
from framework.sweeps.state import JobIdentity, inside
from framework.training.hooks import afresh


@dataclass(frozen=True)
class Resumed:
    """The jobs of a resumed sweep.

    Attributes:
        jobs: all jobs, with the numbers and folders that they had.
        finished: results of the jobs that have finished, or that cannot be run, by number.
        waiting: numbers of further jobs that are not to be run.
        resume: whether the sweep is resumed; False for a sweep from the start.
        cautions: warnings for the user.
    """

    jobs: Sequence[Job]
    finished: Mapping[int, Ended] = field(default_factory=dict)
    waiting: frozenset[int] = frozenset()
    resume: bool = False
    cautions: tuple[str, ...] = ()

    @property
    def left(self) -> list[Job]:
        """The jobs to run."""
        return [job for job in self.jobs if job.number not in self.finished and job.number not in self.waiting]

    @property
    def afresh(self) -> list[str]:
        """One warning line per plugin that starts afresh in the jobs that continue from a checkpoint."""
        registry = current()
        stored = {tuple(plugins_of(job.folder)) for job in self.left if job.epoch}
        return list(dict.fromkeys(line for names in sorted(stored) for line in afresh(registry, names)))


Place = Callable[[int, Sequence[str]], Path]
"""Function that returns the folder of a job, for its number and its overrides."""


def resumed(
    jobs: Sequence[Job],
    before: Sequence[JobIdentity],
    folder: Path,
    place: Place,
    *,
    failed_only: bool = False,
    force: bool = False,
    first: int | None = None,
) -> Resumed:
    """Return the jobs of a sweep that is continued.

    With ``force``, a job whose configuration, code or data set has changed continues from its checkpoint, or starts
    again without one, as it is composed now; one that has finished keeps its result. A job that is not composed any
    more is left as it is, and one whose journal is damaged counts as failed.

    Args:
        jobs: the jobs as composed now.
        before: the jobs as the sweep's state file lists them.
        folder: the sweep's folder.
        place: returns the folders of new jobs.
        failed_only: whether to run only the jobs that failed.
        force: whether to continue although something has changed.
        first: the least number of new jobs, if the jobs are those of one phase of a study. The other jobs of the state
            file then belong to other phases.

    Raises:
        InputError: without ``force``: a job is not composed any more, a job's folder holds another run, a data set has
            changed, or a file is damaged. The message names the difference.
    """
    placed, gone = _placed(jobs, before, folder, place, first or 0)
    if first is not None:
        gone = []
    cautions = [f"job {known.number} ({' '.join(known.overrides)}) is not composed any more" for known in gone]
    if gone and not force:
        raise InputError(f"{folder}: {cautions[0]}; --force leaves it as it is")
    read = {job.number: _read(job, force=force) for job in placed}
    finished = {job.number: end for job in placed if (end := _result(job, read[job.number])) is not None}
    left = [job for job in placed if job.number not in finished]
    changed = {**_other_data(placed, left, read), **_changes(placed, before, read)}
    if changed and not force:
        raise InputError(f"{next(iter(changed.values()))}; continue with --force, or start the sweep in another folder")
    kept = sum(number in finished for number in changed)
    if kept:
        cautions.append(f"{kept} finished runs keep their results, although: {next(iter(changed.values()))}")
    waiting = {job.number for job in left if failed_only and not _has_failed(read[job.number])}
    continued = [_continued(job, changed.get(job.number, "")) for job in placed]
    return Resumed(tuple(continued), finished, frozenset(waiting), resume=True, cautions=tuple(cautions))


def _read(job: Job, *, force: bool) -> list[Entry] | Failed:
    """Return the entries of a job's journal; if it is damaged, a failure with ``force``, else raise `InputError`."""
    try:
        return begun_in(job.folder)
    except InputError as error:
        if not force:
            raise
        return Failed(str(error))


def _result(job: Job, read: list[Entry] | Failed) -> Ended | None:
    if isinstance(read, Failed):
        return read
    recorded = JournalContent.of(read)
    if not recorded.finished:
        return None
    return Finished.of_journal(recorded, str(job.folder), job.config, job.distinguishing)


def _has_failed(read: list[Entry] | Failed) -> bool:
    return not isinstance(read, Failed) and JournalContent.of(read).status == "FAILED"


def _continued(job: Job, changed: str) -> Job:
    """Return a job with the epoch from which it continues, and with what has changed since its start.

    Raises:
        InputError: without the setting ``force``: the job's checkpoint is damaged.
    """
    if not job.config.section(Display).force:
        return replace(job, resume=True, epoch=epoch_of(job.folder))
    state, ignored = last_state(job.folder, job.config)
    return replace(job, resume=True, epoch=state.epoch if state else 0, changed=changed or ignored)


def _changes(
    placed: Sequence[Job], before: Sequence[JobIdentity], read: Mapping[int, list[Entry] | Failed]
) -> dict[int, str]:
    """Return what has changed in the configuration or the code of jobs, by number."""
    identities = {known.number: known.identity for known in before}
    found = {}
    for job in placed:
        entries, own = read[job.number], job.config.identity
        if isinstance(entries, list) and entries and not same_run(entries, job.config):
            found[job.number] = f"{job.folder}: {difference(job.folder, job.config, entries[0].content)}"
        elif not entries and identities.get(job.number, own) != own:
            found[job.number] = f"{job.folder}: a setting, a default or the code of a plugin has changed"
    return found


def _other_data(placed: Sequence[Job], left: Sequence[Job], read: Mapping[int, list[Entry] | Failed]) -> dict[int, str]:
    """Return what has changed in the data sets on which runs are left to train, by number of the jobs that have begun.

    Raises:
        InputError: the samples of a data set are missing or invalid.
    """
    digest = sample_hashes()
    trained = {json.dumps(job.config.parts["dataset"].data, sort_keys=True) for job in left}
    found = {}
    for job in placed:
        entries = read[job.number]
        if isinstance(entries, list) and json.dumps(job.config.parts["dataset"].data, sort_keys=True) in trained:
            before = JournalContent.of(entries).digest
            now = digest(job.config) if before else ""
            if before and now and now != before:
                found[job.number] = other_samples(job.folder, now, before)
    return found


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


def _placed(
    jobs: Sequence[Job], before: Sequence[JobIdentity], folder: Path, place: Place, least: int
) -> tuple[list[Job], list[JobIdentity]]:
    """Return the jobs in the order of their numbers, and those of the state file that are not composed any more.

    A job is the one of the state file with its identity, else the one with its overrides of settings that affect
    results. New jobs follow.
    """
    known, new = _matched(jobs, before, lambda job: job.config.identity, lambda job: job.identity)
    rest = [job for job in before if job.number not in {number for number, _ in known}]
    changed, new = _matched(new, rest, lambda job: _decisive(job.overrides), lambda job: _decisive(job.overrides))
    folders = {job.number: job.folder for job in before}
    placed = [replace(job, number=n, folder=inside(folder, folders[n])) for n, job in [*known, *changed]]
    first = max([least - 1, *folders]) + 1
    placed += [replace(job, number=n, folder=place(n, job.overrides)) for n, job in enumerate(new, start=first)]
    there = {job.number for job in placed}
    return sorted(placed, key=lambda job: job.number), [job for job in before if job.number not in there]


def _decisive(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in overrides if not outside(word.lstrip("+~").partition("=")[0]))


def _matched(
    jobs: Sequence[Job],
    before: Sequence[JobIdentity],
    key: Callable[[Job], Hashable],
    known: Callable[[JobIdentity], Hashable],
) -> tuple[list[tuple[int, Job]], list[Job]]:
    """Return the jobs that have the key of an earlier one, with its number, and the others."""
    waiting: dict[Hashable, list[int]] = {}
    for one in before:
        waiting.setdefault(known(one), []).append(one.number)
    found, others = [], []
    for job in jobs:
        same = waiting.get(key(job))
        if same:
            found.append((same.pop(0), job))
        else:
            others.append(job)
    return found, others
