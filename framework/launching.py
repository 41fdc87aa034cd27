"""Train the jobs of a sweep: grouped by structure, cut into blocks, over a bounded pool of worker processes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework import provenance, registry
from framework.composition import Job
from framework.errors import said
from framework.estimates import Estimate, estimate
from framework.grouping import Group, grouped
from framework.observers import hooks
from framework.pools import pool, require
from framework.records import Run
from framework.runner import Finished, Journaling, hydra_files
from framework.training import train

MOST_RUNS = 64
"""Runs of a block by default: more are hardly faster a run, and share out worse."""
CACHED = 64 * 2**20
"""Bytes of a block by default: what stays near the processor. A run larger than that trains in a block of its own."""
WORTH_A_POOL = 2.0
"""Seconds of training below which starting worker processes costs more than it saves."""


@dataclass(frozen=True)
class Block:
    """Jobs that train as one population, in one process."""

    jobs: tuple[Job, ...]
    memory: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Attributes:
        groups: with what each costs.
        blocks: the longest first.
        workers: processes; 1 trains in this one.
    """

    groups: tuple[tuple[Group, Estimate], ...]
    blocks: tuple[Block, ...]
    workers: int

    @property
    def seconds(self) -> float:
        """Training time of the whole sweep, estimated."""
        return max(sum(block.seconds for block in self.blocks) / self.workers, max(b.seconds for b in self.blocks))

    @property
    def memory(self) -> int:
        """Bytes that all workers need at once, estimated."""
        return sum(sorted((block.memory for block in self.blocks), reverse=True)[: self.workers])


@dataclass(frozen=True)
class Failed:
    """A job that ended by an error, as text: not every exception survives the way from a worker."""

    error: str


Ended = Finished | Failed


def plan(jobs: Sequence[Job], options: Mapping[str, Any], threads: int) -> Plan:
    """Return how the jobs will be grouped, cut into blocks and spread over workers.

    Args:
        jobs: of one sweep.
        options: the ``launcher`` section.
        threads: BLAS threads a run; the workers share the cores.

    Raises:
        InputError: the parts of a job do not fit together.
    """
    require(options["backend"])
    groups = [(group, estimate([job.config for job in group.jobs])) for group in grouped(jobs)]
    workers = options["workers"] or max(1, (os.cpu_count() or 1) // threads)
    limit = (options["memory"] * 2**30 if options["memory"] else available_memory() / 2) / workers
    blocks = [block for group, cost in groups for block in _blocks(group, cost, options["block"], workers, limit)]
    blocks.sort(key=lambda block: -block.seconds)
    total = sum(block.seconds for block in blocks)
    few = len(blocks) == 1 or (options["workers"] is None and total < WORTH_A_POOL)
    return Plan(tuple(groups), tuple(blocks), 1 if few else min(workers, len(blocks)))


def _blocks(group: Group, cost: Estimate, most: int | None, workers: int, limit: float) -> Iterator[Block]:
    fits = max(1, int((limit - cost.shared) // max(cost.per_run, 1)))
    size = 1 if group.alone else min(fits, most or min(MOST_RUNS, max(1, CACHED // max(cost.per_run, 1))))
    if most is None and len(group.jobs) >= 2 * workers:
        size = min(size, math.ceil(len(group.jobs) / workers))
    count = math.ceil(len(group.jobs) / size)
    for at in range(count):  # blocks of nearly one size
        jobs = group.jobs[at * len(group.jobs) // count : (at + 1) * len(group.jobs) // count]
        yield Block(jobs, cost.memory(len(jobs)), cost.seconds(len(jobs)))


def available_memory() -> int:
    """Return the bytes of memory that are free for new work; a guess of 4 GB where the system does not say."""
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 * 2**30


def launch(
    planned: Plan, options: Mapping[str, Any], parent: Path, hydra_yaml: str, done: Callable[[Job, Ended], None]
) -> dict[int, Ended]:
    """Train all blocks; return how each job ended, by number.

    Args:
        planned: from `plan`.
        options: the ``launcher`` section.
        parent: the sweep's folder.
        hydra_yaml: the text of ``.hydra/hydra.yaml``.
        done: told of each job as it ends.
    """
    ended: dict[int, Ended] = {}
    for block, results in _results(planned, options, parent, hydra_yaml):
        for job, result in zip(block.jobs, results, strict=True):
            ended[job.number] = result
            done(job, result)
    return ended


def _results(
    planned: Plan, options: Mapping[str, Any], parent: Path, hydra_yaml: str
) -> Iterator[tuple[Block, list[Ended]]]:
    if planned.workers == 1:
        for block in planned.blocks:
            yield block, train_block(block, parent, hydra_yaml)
        return
    from joblib import delayed

    doors = _doors()
    calls = (delayed(_in_worker)(place, block, parent, hydra_yaml, doors) for place, block in enumerate(planned.blocks))
    with pool(options["backend"], planned.workers) as parallel:
        for place, results in parallel(calls):
            yield planned.blocks[place], results


def _in_worker(
    place: int, block: Block, parent: Path, hydra_yaml: str, doors: Mapping[str, str | None]
) -> tuple[int, list[Ended]]:
    if _doors() != doors:  # a worker on another machine does not inherit them, one of an earlier sweep had others
        for name, value in doors.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        registry.install(None)
    return place, train_block(block, parent, hydra_yaml)


def _doors() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in registry.DOORS}


def train_block(block: Block, parent: Path, hydra_yaml: str) -> list[Ended]:
    """Train one block; where it fails, train each of its runs alone, so that one bad run never harms its neighbours."""
    for job in block.jobs:
        hydra_files(job, hydra_yaml)
    ended: dict[int, Ended] = {}
    if len(block.jobs) > 1:
        with suppress(Exception):  # whatever a plugin raises: each run that has not ended is tried alone below
            _train(block.jobs, parent, ended, final=False)
    for job in block.jobs:
        if job.number not in ended:
            try:
                _train([job], parent, ended, final=True)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the other runs go on
                ended[job.number] = Failed(said(error))
    return [ended[job.number] for job in block.jobs]


def _train(jobs: Sequence[Job], parent: Path, ended: dict[int, Ended], *, final: bool) -> None:
    """Train jobs as one population; put those that ended in good order into ``ended``, also where an error follows."""
    runs = [Run(str(job.number), provenance.run_name(job.config, job.telling), job.config, job.folder) for job in jobs]
    overrides = {run.id: job.overrides for run, job in zip(runs, jobs, strict=True)}
    journaling = Journaling(overrides, parent=parent, pictures=False, final=final)
    try:
        train([job.config for job in jobs], runs, [journaling, *hooks(registry.current(), final=final)])
    finally:
        for job in jobs:
            if str(job.number) in journaling.outcomes:
                ended[job.number] = Finished.of(journaling.outcomes[str(job.number)], job.telling)
