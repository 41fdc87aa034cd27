"""Observers of training: the base class, and those that call the plugins' lifecycle hooks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.base.run import Run
from framework.registry.manager import Registry
from framework.training.population import Population
from framework.training.record import Outcome, Record


class Observer:
    """Base class of objects that are notified while runs train, such as journals and progress bars.

    Every method does nothing by default. A ``step`` that is not overridden is never called.
    """

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

    def finished(self, outcome: Outcome) -> None:
        """Handle a run that ended without an error."""

    def failed(self, run: Run, error: BaseException) -> None:
        """Handle a run that an error or an interrupt ended."""


class Observers:
    """Forwards each event to several observers; steps only to those that override ``step``."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = list(observers)
        self._steps = [observer.step for observer in self._all if type(observer).step is not Observer.step]

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


class Hooks(Observer):
    """Calls the plugins' lifecycle hooks; each hook is looked up once.

    Args:
        registry: registry of the plugins.
        final: whether an error is final; False if each run is then trained alone.
    """

    def __init__(self, registry: Registry, *, final: bool = True) -> None:
        self._final = final
        self._started = registry.lifecycle("run_started")
        self._epoch = registry.lifecycle("epoch_finished")
        self._stop = registry.lifecycle("should_stop")
        self._finished = registry.lifecycle("run_finished")
        self._failed = registry.lifecycle("run_failed")

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Call ``run_started`` for each run."""
        if self._started:
            for run in runs:
                self._started(run=run)

    def epoch(self, record: Record) -> None:
        """Call ``epoch_finished``."""
        if self._epoch:
            self._epoch(run=record.run, epoch=len(record.history), metrics=dict(record.history[-1]))

    def should_stop(self, record: Record) -> bool:
        """Call ``should_stop``; return whether any plugin returns true."""
        if not self._stop:
            return False
        return any(self._stop(run=record.run, epoch=len(record.history), metrics=dict(record.history[-1])))

    def finished(self, outcome: Outcome) -> None:
        """Call ``run_finished``."""
        if self._finished:
            self._finished(run=outcome.run, metrics=dict(outcome.metrics))

    def failed(self, run: Run, error: BaseException) -> None:
        """Call ``run_failed``, unless the run will be trained again alone."""
        if self._failed and (self._final or not isinstance(error, Exception)):
            self._failed(run=run, error=error)


class StepHooks(Observer):
    """Calls the hook ``step_finished`` at every step; used only if a plugin implements it."""

    def __init__(self, registry: Registry) -> None:
        self._step = registry.lifecycle("step_finished")

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Call ``step_finished``."""
        if self._step:
            self._step(runs=runs, step=step, losses=losses)


def hooks(registry: Registry, *, final: bool = True) -> list[Observer]:
    """Return the observers that the registry's plugins need; ``final`` as in `Hooks`."""
    return [Hooks(registry, final=final), *([StepHooks(registry)] if registry.lifecycle("step_finished") else [])]
