"""Checkpoints while runs train: at ends of epochs, at most every so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from framework.base.run import Run
from framework.checkpoint.file import FILE, save
from framework.config.resolved import RunConfig
from framework.training.observers import Observer, Observers
from framework.training.population import Population
from framework.training.record import Outcome, Record
from framework.training.state import RunState


class Checkpoints(Observer):
    """Writes a checkpoint of each run to its folder, and removes it when the run has finished.

    Args:
        configs: the checked configurations, by run id.
        every: least number of seconds between two checkpoints; a run that is shorter writes none.
        observers: the observers whose state is kept too.
        clock: function that returns seconds.
    """

    def __init__(
        self,
        configs: Mapping[str, RunConfig],
        every: float,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configs = configs
        self._every = every
        self._observers = Observers(observers)
        self._clock = clock
        self._last = clock()

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Begin to count the seconds."""
        self._last = self._clock()

    def between(self, records: Sequence[Record], population: Population, step: int) -> None:
        """Write a checkpoint of each run if it is time for one."""
        if self._clock() - self._last < self._every:
            return
        for row, record in enumerate(records):
            if record.run.folder is not None:
                state = RunState.of(population, row, record, step, self._observers.state(record.run))
                save(record.run.folder, self._configs[record.run.id].identity, state)
        self._last = self._clock()

    def finished(self, outcome: Outcome) -> None:
        """Remove the checkpoint of a run that needs none any more."""
        if outcome.run.folder is not None:
            (outcome.run.folder / FILE).unlink(missing_ok=True)
