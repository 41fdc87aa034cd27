"""Blocks over worker processes, some of which may die: by a plugin's crash, or for want of memory."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from framework.registry import manager
from framework.sweeps.blocks import Block, Trained, record_worker_death, result_from_journal, train_block
from framework.sweeps.fractions import writers
from framework.sweeps.job import HydraRecord
from framework.sweeps.pool import deaths, pool


class Workers:
    """A pool that outlives its processes.

    Where one dies, the blocks at work are retried: their runs are tried again in blocks of one, and a run that
    was alone in its block is tried with nobody else at work. If its worker dies again, that run has failed.

    Args:
        backend: joblib's name of the engine.
        count: processes, at least 2: joblib works in this process where there is one.
        parent: the sweep's folder.
        record: what Hydra keeps of each job, or None.
        fractions: the file for how far each run is, or None.
    """

    def __init__(
        self, backend: str, count: int, parent: Path, record: HydraRecord | None, fractions: Path | None = None
    ) -> None:
        self._backend = backend
        self._count = count
        self._given = (parent, record, fractions)
        self._began = time.time()

    def train(self, blocks: Sequence[Block]) -> Iterator[Trained]:
        """Train blocks; yield what comes back as it comes, every job once."""
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
                    begun = {int(mark.name) for mark in Path(marks).iterdir()}
            missing = [place for place in range(len(left)) if place not in finished]
            # A worker on another machine leaves no mark here: all blocks are retried then.
            retried = [place for place in missing if place in begun] or missing
            others = [left[place] for place in missing if place not in retried]
            left = (yield from self._again([left[place] for place in retried])) + others

    def _again(self, retried: Sequence[Block]) -> Generator[Trained, None, list[Block]]:
        """Yield the results that retried blocks left behind; return their other runs as blocks of one."""
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
                    {}, f"a worker process died; {len(alone)} runs that it may have held are tried one by one"
                )
                again += alone
        return again

    def _alone(self, block: Block) -> Trained:
        try:
            with TemporaryDirectory() as marks:
                ((_, trained),) = self._pooled([block], marks)
            return trained
        except deaths(self._backend):
            return Trained(
                {job.number: result_from_journal(job, self._began) or record_worker_death(job) for job in block.jobs}
            )

    def _pooled(self, blocks: Sequence[Block], marks: str) -> Iterator[tuple[int, Trained]]:
        from joblib import delayed

        given = (*self._given, _doors(), marks)
        calls = (delayed(_in_worker)(place, block, *given) for place, block in enumerate(blocks))
        with pool(self._backend, self._count) as parallel:
            yield from parallel(calls)


def _in_worker(
    place: int,
    block: Block,
    parent: Path,
    record: HydraRecord | None,
    fractions: Path | None,
    doors: Mapping[str, str | None],
    marks: str,
) -> tuple[int, Trained]:
    if Path(marks).is_dir():
        (Path(marks) / str(place)).touch()
    if _doors() != doors:  # a worker on another machine does not inherit them, one of an earlier sweep had others
        for name, value in doors.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        manager.install(None)
    manager.current(warn=_said_already)
    return place, train_block(block, parent, record, writers(fractions))


def _said_already(line: str) -> None:
    """Keep quiet about plugins that do not load: the command that started the workers has warned of them."""


def _doors() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in manager.DOORS}
