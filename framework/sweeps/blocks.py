"""Training of one block of a sweep in one process: as one population, or each run alone if that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.base.run import Run
from framework.checkpoint.writing import Checkpoints
from framework.config.settings import Checkpointing, Display
from framework.errors import InputError, format_error
from framework.registry import manager
from framework.runs.content import JournalContent
from framework.runs.failure import record_failure
from framework.runs.finished import Finished
from framework.runs.folder import begun_in
from framework.runs.recorder import Journaling
from framework.runs.resume import last_state
from framework.sweeps.job import HydraRecord, Job
from framework.training.hooks import hooks
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.state import RunState

DIED = "its worker process died: out of memory, or a crash in compiled code"


@dataclass(frozen=True)
class Block:
    """Jobs that train as one population, in one process.

    Attributes:
        jobs: one or more.
        memory: estimated peak, in bytes.
        seconds: estimated training time.
    """

    jobs: tuple[Job, ...]
    memory: int
    seconds: float

    def as_data(self) -> dict[str, Any]:
        """Return the block as plain data for `remade`."""
        return {**vars(self), "jobs": [job.as_data() for job in self.jobs]}

    @classmethod
    def remade(cls, data: Mapping[str, Any]) -> Block:
        """Return the block of `as_data` in another process; errors as for `Job.remade`."""
        return cls(**{**data, "jobs": tuple(map(Job.remade, data["jobs"]))})


@dataclass(frozen=True)
class Failed:
    """A job that ended with an error.

    Attributes:
        error: the error as text, because not every exception can be sent from a worker process.
    """

    error: str


Ended = Finished | Failed


@dataclass(frozen=True)
class Trained:
    """The result of training a block.

    Attributes:
        ended: results by job number.
        caution: a further warning for the user, or "".
    """

    ended: Mapping[int, Ended]
    caution: str = ""


def train_block(block: Block, parent: Path, record: HydraRecord | None, observers: Sequence[Observer] = ()) -> Trained:
    """Train one block and return its results.

    If the population fails, train each unfinished run alone, so that one bad run does not fail the others. With
    ``fail_fast``, the runs after the first failed one are left out.

    Args:
        block: the block to train.
        parent: the sweep's folder.
        record: writes Hydra's files of each job, or None.
        observers: further observers; a run's id is its job's number.
    """
    if record is not None:
        for job in block.jobs:
            record.write(job)
    ended: dict[int, Ended] = {}
    caution = ""
    if len(block.jobs) > 1:
        try:
            _train(block.jobs, parent, ended, observers, final=False)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; unfinished runs are retried alone
            left = len(block.jobs) - len(ended)
            caution = f"{left} runs could not train together ({format_error(error)}); each was trained alone"
    for job in block.jobs:
        if job.number not in ended:
            try:
                _train([job], parent, ended, observers, final=True)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the other runs continue
                if job.number in ended:  # only what followed the run failed, such as a hook
                    caution = f"run {job.number} has finished, and then: {format_error(error)}"
                    continue
                ended[job.number] = failed(job, parent, error)
                if job.config.section(Display).fail_fast:
                    break
    return Trained(ended, caution)


def failed(job: Job, parent: Path, error: BaseException | str) -> Failed:
    """Record a job's failure in its folder, as `record_failure` does, and return it."""
    text = error if isinstance(error, str) else format_error(error)
    try:
        record_failure(_run(job), job.config, job.overrides, parent, error)
    except OSError as full:  # as on a full disk: the other runs continue
        return Failed(f"{text} (and its record cannot be written: {full})")
    return Failed(text)


def _train(
    jobs: Sequence[Job], parent: Path, ended: dict[int, Ended], observers: Sequence[Observer], *, final: bool
) -> None:
    """Train jobs as one population; add those that finished to ``ended``, even if an error is raised later."""
    by_id = {str(job.number): job for job in jobs}
    configs = {name: job.config for name, job in by_id.items()}
    overrides = {name: job.overrides for name, job in by_id.items()}
    resume, every = jobs[0].resume, jobs[0].config.section(Checkpointing).every_seconds
    forced = {name: job.changed for name, job in by_id.items() if job.changed}
    journaling = Journaling(configs, overrides, parent=parent, single=False, resume=resume, forced=forced)
    states = [_state(job) for job in jobs] if jobs[0].epoch else []
    watching = [*hooks(manager.current(), final=final), *observers]
    try:
        observing = [journaling, Checkpoints(configs, every, watching), *watching]
        train(list(configs.values()), [_run(job) for job in jobs], observing, states)
    finally:
        for name, outcome in journaling.outcomes.items():
            job = by_id[name]
            ended[job.number] = Finished.of(outcome, job.config, job.distinguishing)


def _state(job: Job) -> RunState:
    state, _ = last_state(job.folder, job.config)
    if state is None:
        raise InputError(f"{job.folder}: its checkpoint is gone")
    return state


def _run(job: Job) -> Run:
    return Run(str(job.number), job.run_name, job.config.as_data(), job.folder, job.setting)


def result_from_journal(job: Job, since: float) -> Ended | None:
    """Return a job's result as recorded in its journal, for a result that was lost when its worker died.

    Args:
        job: the job.
        since: Unix time in seconds; a journal that ended earlier belongs to another sweep.

    Returns:
        The result, or None if the journal did not end since then, or has no epoch before a successful end.
    """
    entries = begun_in(job.folder)
    if not entries or entries[-1].kind != "end" or entries[-1].time < since:
        return None
    recorded = JournalContent.of(entries)
    if recorded.status != "FINISHED":
        return Failed(recorded.tags.get("error", DIED))
    if not recorded.history:
        return None
    return Finished.of_journal(recorded, str(job.folder), job.config, job.distinguishing)


def record_worker_death(job: Job, parent: Path) -> Failed:
    """Record the worker's death in the job's folder, and return the failure; ``parent`` is the sweep's folder."""
    return failed(job, parent, DIED)
