"""Training of one block of a sweep in one process: as one population, or each run alone if that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.base.run import Run
from framework.config.figures import directions
from framework.errors import format_error
from framework.registry import manager
from framework.runs import provenance
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import Journal, read_journal
from framework.runs.runner import Finished, Journaling, run_params
from framework.sweeps.job import HydraRecord, Job
from framework.training import kept
from framework.training.loop import train
from framework.training.observers import Observer, hooks

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

    If the population fails, train each unfinished run alone, so that one bad run does not fail the others.

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
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the other runs go on
                ended[job.number] = Failed(format_error(error))
    return Trained(ended, caution)


def _train(
    jobs: Sequence[Job], parent: Path, ended: dict[int, Ended], observers: Sequence[Observer], *, final: bool
) -> None:
    """Train jobs as one population; add those that finished to ``ended``, even if an error is raised later."""
    runs = [
        Run(str(job.number), provenance.run_name(job.config, job.distinguishing), job.config, job.folder, job.setting)
        for job in jobs
    ]
    overrides = {run.id: job.overrides for run, job in zip(runs, jobs, strict=True)}
    journaling = Journaling(overrides, parent=parent, single=False, final=final)
    try:
        train([job.config for job in jobs], runs, [journaling, *hooks(manager.current(), final=final), *observers])
    finally:
        for job in jobs:
            if str(job.number) in journaling.outcomes:
                ended[job.number] = Finished.of(journaling.outcomes[str(job.number)], job.distinguishing)


def _run(job: Job) -> Run:
    name = provenance.run_name(job.config, job.distinguishing)
    return Run(str(job.number), name, job.config, job.folder, job.setting)


def result_from_journal(job: Job, since: float) -> Ended | None:
    """Return a job's result as recorded in its journal, for a result that was lost when its worker died.

    Args:
        job: the job.
        since: Unix time in seconds; earlier entries of the journal belong to another sweep.

    Returns:
        The result, or None if the journal has no end entry since then, or no epoch before a successful end.
    """
    if not (job.folder / JOURNAL).is_file():
        return None
    entries = [entry for entry in read_journal(job.folder) if entry.time >= since]
    if not entries or entries[-1].kind != "end":
        return None
    tags = {name: value for entry in entries if entry.kind == "tags" for name, value in entry.content["values"].items()}
    if entries[-1].content["status"] != "FINISHED":
        return Failed(tags.get("error", DIED))
    *epochs, final = [entry.content for entry in entries if entry.kind == "metrics"]
    if not epochs:
        return None
    return Finished(
        name=provenance.run_name(job.config, job.distinguishing),
        folder=str(job.folder),
        ended=tags["ended"],
        seconds=epochs[-1]["values"]["time/seconds"],
        population_seconds=epochs[-1]["values"]["time/population_seconds"],
        steps=epochs[-1]["step"],
        metrics=kept.recorded(kept.plain(final["values"])),
        params=run_params(job.config, job.distinguishing),
        directions=directions(job.config),
    )


def record_worker_death(job: Job) -> Failed:
    """Record the worker's death in the job's journal, if there is one, and return the failure."""
    if (job.folder / JOURNAL).is_file():
        journal = Journal(job.folder)
        journal.write("tags", values={"error": DIED})
        journal.write("artifact", path=JOURNAL, to="")
        journal.write("end", status="FAILED")
        journal.close()
    return Failed(DIED)


def close_interrupted(jobs: Sequence[Job]) -> None:
    """Write the end status KILLED to each unfinished journal, because the interrupt killed its worker first."""
    for job in jobs:
        if (job.folder / JOURNAL).is_file() and read_journal(job.folder)[-1].kind != "end":
            journal = Journal(job.folder)
            journal.write("artifact", path=JOURNAL, to="")
            journal.write("end", status="KILLED")
            journal.close()
