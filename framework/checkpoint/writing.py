"""Checkpoints while runs train: at ends of epochs, at most every so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from framework import errors
from framework.base.run import Run
from framework.checkpoint.file import FILE, save
from framework.config.resolved import RunConfig
from framework.training.observers import Observer, Observers
from framework.training.population import Population
from framework.training.record import Outcome, Record
from framework.training.state import RunState


class Checkpoints(Observer):
    """Writes a checkpoint of each run to its folder, and removes it when the run has finished.

    If one cannot be written, as on a full disk, the one before is kept and the runs go on; the first such failure is
    reported.

    Args:
        configs: the checked configurations, by run id.
        every: least number of seconds between two checkpoints; a run that is shorter writes none.
        observers: the observers whose state is kept too.
        clock: function that returns seconds.
        warn: called with one line if a checkpoint cannot be written.
    """

    def __init__(
        self,
        configs: Mapping[str, RunConfig],
        every: float,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
        warn: Callable[[str], object] = errors.warn,
    ) -> None:
        self._configs = configs
        self._every = every
        self._observers = Observers(observers)
        self._clock = clock
        self._last = clock()
        self._warn = warn
        self._warned = False

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Begin to count the seconds."""
        self._last = self._clock()

    def between(self, records: Sequence[Record], population: Population, step: int) -> None:
        """Write a checkpoint of each run if it is time for one."""
        if self._clock() - self._last < self._every:
            return
        for row, record in enumerate(records):
            if record.run.folder is not None:
                self._write(record.run.folder, population, row, record, step)
        self._last = self._clock()

    def _write(self, folder: Path, population: Population, row: int, record: Record, step: int) -> None:
        held = self._observers.state(record.run)  # a hook's own error is none of the disk
        try:
            save(folder, self._configs[record.run.id].identity, RunState.of(population, row, record, step, held))
        except (OSError, MemoryError) as error:
            if not self._warned:
                self._warn(f"{folder / FILE} was not written: {errors.format_error(error)}; training goes on")
            self._warned = True

    def finished(self, outcome: Outcome) -> None:
        """Remove the checkpoint of a run that needs none any more."""
        if outcome.run.folder is not None:
            (outcome.run.folder / FILE).unlink(missing_ok=True)
