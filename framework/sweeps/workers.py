"""Training of blocks in worker processes that may die: by a crash in a plugin, or because memory runs out."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from framework.registry import manager
from framework.sweeps.blocks import Block, Trained, record_worker_death, result_from_journal, train_block
from framework.sweeps.fractions import writers
from framework.sweeps.job import HydraRecord
from framework.sweeps.pool import deaths, pool, without_interrupts
from framework.system.files import lock

LONGEST_WAIT = 60.0
"""Seconds to wait for the end of the other workers if one has died."""


class Workers:
    """A pool of worker processes that recovers from the death of a process.

    If a process dies, the blocks that were being trained are retried. Their runs are trained again in blocks of one,
    and a run that was alone in its block is trained again while no other block is. If its worker dies again, the run
    has failed.

    Args:
        backend: joblib's name of the engine.
        count: number of processes, at least 2: with 1, joblib would train in this process.
        parent: the sweep's folder.
        record: writes Hydra's files of each job, or None.
        fractions: the file for the progress of each run, or None.
    """

    def __init__(
        self, backend: str, count: int, parent: Path, record: HydraRecord | None, fractions: Path | None = None
    ) -> None:
        self._backend = backend
        self._count = count
        self._given = (parent, record, fractions)
        self._began = time.time()

    def train(self, blocks: Sequence[Block]) -> Generator[Trained, None, None]:
        """Train blocks; yield results as they arrive, each job's exactly once. Closing it ends the workers."""
        left = list(blocks)
        while left:
            finished: set[int] = set()
            with TemporaryDirectory() as marks:
                try:
                    for place, trained in self._pooled(left, marks):
                        finished.add(place)
                        yield trained
                    return
                except deaths(self._backend):
                    begun = _begun(Path(marks))
            missing = [place for place in range(len(left)) if place not in finished]
            # A worker on another machine leaves no mark here; if there are none, retry all missing blocks.
            retried = [place for place in missing if place in begun] or missing
            others = [left[place] for place in missing if place not in retried]
            left = (yield from self._again([left[place] for place in retried])) + others

    def _again(self, retried: Sequence[Block]) -> Generator[Trained, None, list[Block]]:
        """Yield results that the journals of retried blocks hold; return the other runs as blocks of one.

        A single remaining run of a block is trained here, alone, and its result is yielded.
        """
        again: list[Block] = []
        for block in retried:
            over = {job.number: end for job in block.jobs if (end := result_from_journal(job, self._began))}
            left = [job for job in block.jobs if job.number not in over]
            alone = [Block((job,), block.memory, block.seconds / len(block.jobs)) for job in left]
            if over:
                yield Trained(over)
            if len(alone) == 1:
                yield self._alone(alone[0])
            elif alone:
                yield Trained(
                    {}, f"a worker process died; {len(alone)} runs that it may have trained are retried one by one"
                )
                again += alone
        return again

    def _alone(self, block: Block) -> Trained:
        try:
            with TemporaryDirectory() as marks:
                ((_, trained),) = self._pooled([block], marks)
            return trained
        except deaths(self._backend):
            parent = self._given[0]
            return Trained(
                {
                    job.number: result_from_journal(job, self._began) or record_worker_death(job, parent)
                    for job in block.jobs
                }
            )

    def _pooled(self, blocks: Sequence[Block], marks: str) -> Iterator[tuple[int, Trained]]:
        given = (*self._given, _plugin_variables(), marks, self._began)
        with ExitStack() as stack:
            with without_interrupts():
                from joblib import delayed

                parallel = stack.enter_context(pool(self._backend, self._count))
                results = parallel(delayed(_in_worker)(at, block.as_data(), *given) for at, block in enumerate(blocks))
            yield from results


def _in_worker(
    place: int,
    block: Mapping[str, Any],
    parent: Path,
    record: HydraRecord | None,
    fractions: Path | None,
    variables: Mapping[str, str | None],
    marks: str,
    began: float,
) -> tuple[int, Trained]:
    mark = Path(marks) / str(place)
    with mark.open("ab") if mark.parent.is_dir() else nullcontext() as file:  # on another machine there is no mark
        if file is not None:
            lock(file)  # held until the block or this process has ended, see `_begun`
        return place, _train_anew(block, parent, record, fractions, variables, began)


def _train_anew(
    block: Mapping[str, Any],
    parent: Path,
    record: HydraRecord | None,
    fractions: Path | None,
    variables: Mapping[str, str | None],
    began: float,
) -> Trained:
    """Train a block in this worker, except for runs that have ended since ``began``: Dask may repeat a call."""
    if _plugin_variables() != variables:  # of another machine, or of an earlier sweep's worker that is used again
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        manager.install(None)
    manager.current(warn=_ignore_warning)
    whole = Block.remade(block)
    over = {job.number: end for job in whole.jobs if (end := result_from_journal(job, began))}
    left = replace(whole, jobs=tuple(job for job in whole.jobs if job.number not in over))
    trained = train_block(left, parent, record, writers(fractions))
    return replace(trained, ended={**over, **trained.ended})


def _begun(marks: Path) -> set[int]:
    """Return the places of the blocks that were begun, once no process of the broken pool trains one of them.

    The pool reports a death before it has ended its other workers. A block that is retried while one of them still
    writes to its journals would be recorded twice.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        begun = list(marks.iterdir())
        ended = all(map(_is_free, begun)) and len(list(marks.iterdir())) == len(begun)
        if ended or time.monotonic() > deadline:
            return {int(mark.name) for mark in begun}
        time.sleep(0.02)


def _is_free(mark: Path) -> bool:
    with mark.open("ab") as file:
        return lock(file)


def _ignore_warning(line: str) -> None:
    """Ignore a warning about a plugin that does not load: the command that started the workers has already shown it."""


def _plugin_variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in manager.VARIABLES}
