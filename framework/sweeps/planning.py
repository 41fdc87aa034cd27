"""Train the jobs of a sweep: group them by structure, cut groups into blocks, and train blocks in worker processes."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from framework.config.settings import Display, Launching
from framework.sweeps.blocks import (
    Block,
    Ended,
    Failed,
    Trained,
    result_from_journal,
    train_block,
)
from framework.sweeps.closing import close_jobs
from framework.sweeps.cost import Estimate, estimate, fits
from framework.sweeps.fractions import writers
from framework.sweeps.grouping import Group, grouped
from framework.sweeps.job import HydraRecord, Job
from framework.sweeps.pool import require
from framework.sweeps.workers import Workers
from framework.system.resources import available_memory, cores, without_semaphores

MOST_RUNS = 64
"""Default maximum of runs per block: larger blocks gain little time per run and balance worse over workers."""
CACHED = 64 * 2**20
"""Default maximum of bytes per block, to stay in the processor's cache. A larger run trains in a block of its own."""
WORTH_A_POOL = 2.0
"""Seconds of training below which starting worker processes costs more than it saves."""


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep.

    Attributes:
        groups: each group with its estimated cost.
        blocks: all blocks, the longest first.
        workers: number of processes; 1 means this process.
        caution: a warning about the workers, or "".
    """

    groups: tuple[tuple[Group, Estimate], ...]
    blocks: tuple[Block, ...]
    workers: int
    caution: str = ""

    @property
    def seconds(self) -> float:
        """Estimated training time of the whole sweep, in seconds: max(total / workers, longest block)."""
        return max(sum(block.seconds for block in self.blocks) / self.workers, max(b.seconds for b in self.blocks))

    @property
    def memory(self) -> int:
        """Estimated memory of all workers, in bytes: the sum of the largest blocks, one per worker."""
        return sum(sorted((block.memory for block in self.blocks), reverse=True)[: self.workers])

    @property
    def cautions(self) -> list[str]:
        """Warnings about the runs for the user, without duplicates."""
        lines = [line for _, cost in self.groups for line in cost.cautions]
        return list(dict.fromkeys([*lines, self.caution] if self.caution else lines))


def plan(jobs: Sequence[Job]) -> Plan:
    """Return the plan: groups of jobs, blocks, and the number of workers.

    Args:
        jobs: the jobs of one sweep. They have the same settings of the launcher; by default there are cores / threads
            workers.

    Raises:
        InputError: the parts of a job do not fit together, or the backend is not installed.
    """
    options, threads = jobs[0].config.section(Launching), jobs[0].config.settings.threads
    require(options.backend)
    groups = [(group, estimate([job.config for job in group.jobs])) for group in grouped(jobs)]
    workers = options.workers or max(1, cores() // threads)
    caution = ""
    if workers > 1 and options.backend == "loky" and (reason := without_semaphores()):
        workers, caution = 1, f"no worker processes can be started ({reason}): all runs train in this process"
    limit = (options.memory * 2**30 if options.memory else available_memory() / 2) / workers
    blocks = [block for group, cost in groups for block in _blocks(group, cost, options.block, workers, limit)]
    blocks.sort(key=lambda block: -block.seconds)
    total = sum(block.seconds for block in blocks)
    few = len(blocks) == 1 or (options.workers is None and total < WORTH_A_POOL)
    return Plan(tuple(groups), tuple(blocks), 1 if few else min(workers, len(blocks)), caution)


def refuse_misfits(jobs: Sequence[Job]) -> list[str]:
    """Build the parts of each structure once, for a launcher that takes no plan; return warnings as `Plan.cautions`.

    Raises:
        InputError: the parts of a job do not fit together.
    """
    lines = [line for group in grouped(jobs) for line in fits([job.config for job in group.jobs])]
    return list(dict.fromkeys(lines))


def _blocks(group: Group, cost: Estimate, most: int | None, workers: int, limit: float) -> Iterator[Block]:
    fits = max(1, int((limit - cost.shared) // max(cost.per_run, 1)))
    size = 1 if group.alone else min(fits, most or min(MOST_RUNS, max(1, CACHED // max(cost.per_run, 1))))
    if most is None and len(group.jobs) >= 2 * workers:
        size = min(size, math.ceil(len(group.jobs) / workers))
    count = math.ceil(len(group.jobs) / size)
    for at in range(count):  # the sizes differ by at most one
        jobs = group.jobs[at * len(group.jobs) // count : (at + 1) * len(group.jobs) // count]
        yield Block(jobs, cost.memory(len(jobs)), cost.seconds(len(jobs)))


def launch(
    planned: Plan,
    backend: str,
    parent: Path,
    record: HydraRecord | None,
    done: Callable[[Job, Ended], None],
    warn: Callable[[str], None],
    fractions: Path | None = None,
) -> dict[int, Ended]:
    """Train all blocks; return the result of each job by job number.

    With the setting ``fail_fast``, training ends at the first failed run. Jobs without a result have then not run, or
    have the status KILLED. The backends ray and dask return all results at the end, so that it has no effect there.

    Args:
        planned: from `plan`.
        backend: as in `Launching`.
        parent: the sweep's folder.
        record: writes Hydra's files of each job, or None.
        done: called with each job and its result when its block has returned.
        warn: called with a one-line warning if a worker had a problem that did not end a job.
        fractions: the file for the progress of each run, or None.
    """
    jobs = {job.number: job for block in planned.blocks for job in block.jobs}
    ended: dict[int, Ended] = {}
    began = time.time()
    results: Generator[Trained] = (
        (train_block(block, parent, record, writers(fractions)) for block in planned.blocks)
        if planned.workers == 1
        else Workers(backend, planned.workers, parent, record, fractions).train(planned.blocks)
    )
    with closing(results):  # an interrupt outside of the generator ends the workers, too
        for trained in results:
            if trained.caution:
                warn(trained.caution)
            arrived = dict(trained.ended)
            if any(_stops(jobs[number], result) for number, result in arrived.items()):
                left = [job for number, job in jobs.items() if number not in ended and number not in arrived]
                arrived |= _stopped(results, left, began)
            for number, result in arrived.items():
                ended[number] = result
                done(jobs[number], result)
    return ended


def _stops(job: Job, result: Ended) -> bool:
    return isinstance(result, Failed) and job.config.section(Display).fail_fast


def _stopped(results: Generator[Trained], left: Sequence[Job], began: float) -> dict[int, Ended]:
    """End the workers and the journals of the runs that are left; return results of those that ended meanwhile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib's, about results that nobody will use
        results.close()
    recorded = {job.number: result_from_journal(job, began) for job in left}
    close_jobs(job.folder for job in left)
    return {number: result for number, result in recorded.items() if result is not None}
