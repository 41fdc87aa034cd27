"""Observers of training: the base class, and the forwarding of events to several observers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from framework.base.run import Run
from framework.training.population import Population
from framework.training.record import Outcome, Record

HeldState = Mapping[str, Mapping[str, np.ndarray]]
"""Arrays by name, by the name of the plugin that keeps them."""


class Observer:
    """Base class of objects that are notified while runs train, such as journals and progress bars.

    Every method does nothing by default. A ``step`` that is not overridden is never called.

    Attributes:
        every_step: whether `step` must be called for each step. If no observer needs that, several steps may run
            without returning to Python; `step` is then called for the last of them.
    """

    every_step: ClassVar[bool] = True

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Handle the start of ``runs``, before their first step."""

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Handle step ``step`` of ``runs``; ``losses`` are their training losses, shape ``(R,)``."""

    def epoch(self, record: Record) -> None:
        """Handle the end of an epoch of one run: the last row of ``record.history``."""

    def should_stop(self, record: Record) -> bool:
        """Return whether a run should end after the epoch that was last passed to `epoch`."""
        return False

    def between(self, records: Sequence[Record], population: Population, step: int) -> None:
        """Handle a point between two epochs, from which the runs that go on can be continued.

        Args:
            records: the records of the runs that go on, by row.
            population: their population.
            step: the number of optimizer steps taken.
        """

    def state(self, run: Run) -> HeldState:
        """Return the arrays that are kept for a run from epoch to epoch, for its checkpoint."""
        return {}

    def restore(self, run: Run, state: HeldState) -> None:
        """Take back the arrays of `state` for a run that continues; called after `started`."""

    def finished(self, outcome: Outcome) -> None:
        """Handle a run that ended without an error."""

    def failed(self, run: Run, error: BaseException) -> None:
        """Handle a run that an error or an interrupt ended."""


class Observers:
    """Forwards each event to several observers; steps only to those that override ``step``."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = list(observers)
        self._steps = [observer.step for observer in self._all if type(observer).step is not Observer.step]

    @property
    def every_step(self) -> bool:
        """Whether any observer overrides ``step`` and needs each step."""
        return any(type(each).step is not Observer.step and each.every_step for each in self._all)

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Call `Observer.started` of each observer."""
        for observer in self._all:
            observer.started(runs, population)

    def step(self, records: Sequence[Record], step: int, losses: np.ndarray) -> None:
        """Call `Observer.step` of each observer that overrides it."""
        if self._steps:
            runs = [record.run for record in records]
            for watch in self._steps:
                watch(runs, step, losses)

    def epoch(self, record: Record) -> None:
        """Call `Observer.epoch` of each observer."""
        for observer in self._all:
            observer.epoch(record)

    def should_stop(self, record: Record) -> bool:
        """Call `Observer.should_stop` of every observer; return whether any of them returns True."""
        answers = [observer.should_stop(record) for observer in self._all]
        return any(answers)

    def between(self, records: Sequence[Record], population: Population, step: int) -> None:
        """Call `Observer.between` of each observer."""
        for observer in self._all:
            observer.between(records, population, step)

    def state(self, run: Run) -> HeldState:
        """Return the union of the observers' `Observer.state`."""
        return {name: arrays for observer in self._all for name, arrays in observer.state(run).items()}

    def restore(self, run: Run, state: HeldState) -> None:
        """Call `Observer.restore` of each observer."""
        for observer in self._all:
            observer.restore(run, state)

    def finished(self, outcome: Outcome) -> None:
        """Call `Observer.finished` of each observer."""
        for observer in self._all:
            observer.finished(outcome)

    def failed(self, run: Run, error: BaseException) -> None:
        """Call `Observer.failed` of each observer."""
        for observer in self._all:
            observer.failed(run, error)


class Cautions(Observer):
    """Collects the cautions of the runs that start, to be reported later.

    Attributes:
        lines: cautions of all populations so far, as in `Population.cautions`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Append the population's cautions to ``lines``."""
        self.lines += population.cautions
