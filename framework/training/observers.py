"""Who is told while runs train: journals, progress bars, plugin hooks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.base.run import Run
from framework.registry.manager import Registry
from framework.training.population import Population
from framework.training.record import Outcome, Record


class Observer:
    """Something that watches runs. Override what you need; a ``step`` that is not overridden is never called."""

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Take notice of runs before their first step."""

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Take notice of a step of ``runs`` with their training losses ``(R,)``."""

    def epoch(self, record: Record) -> None:
        """Take notice of a finished epoch: the last row of ``record.history``."""

    def finished(self, outcome: Outcome) -> None:
        """Take notice of a run that ended in good order."""

    def failed(self, run: Run, error: BaseException) -> None:
        """Take notice of a run that an error or an interrupt ended."""


class Observers:
    """Many observers as one; what nobody watches is not called."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = list(observers)
        self._steps = [observer.step for observer in self._all if type(observer).step is not Observer.step]

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Pass it on."""
        for observer in self._all:
            observer.started(runs, population)

    def step(self, records: Sequence[Record], step: int, losses: np.ndarray) -> None:
        """Pass it on to those who watch steps."""
        if self._steps:
            runs = [record.run for record in records]
            for watch in self._steps:
                watch(runs, step, losses)

    def epoch(self, record: Record) -> None:
        """Pass it on."""
        for observer in self._all:
            observer.epoch(record)

    def finished(self, outcome: Outcome) -> None:
        """Pass it on."""
        for observer in self._all:
            observer.finished(outcome)

    def failed(self, run: Run, error: BaseException) -> None:
        """Pass it on."""
        for observer in self._all:
            observer.failed(run, error)


class Cautions(Observer):
    """Keeps the cautions of the runs that start, for whoever reports them later.

    Attributes:
        lines: as `Population.cautions`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Take them."""
        self.lines += population.cautions


class Hooks(Observer):
    """Passes on to the plugins' lifecycle hooks, each resolved once.

    Args:
        registry: whose plugins.
        final: an error is the runs' end; False where each run is then tried alone.
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
        """Call ``epoch_finished``, then ask ``should_stop``."""
        epoch, metrics = len(record.history), dict(record.history[-1])
        if self._epoch:
            self._epoch(run=record.run, epoch=epoch, metrics=metrics)
        if self._stop and any(self._stop(run=record.run, epoch=epoch, metrics=metrics)):
            record.stop_asked = True

    def finished(self, outcome: Outcome) -> None:
        """Call ``run_finished``."""
        if self._finished:
            self._finished(run=outcome.run, metrics=dict(outcome.metrics))

    def failed(self, run: Run, error: BaseException) -> None:
        """Call ``run_failed``, unless the run is yet to be tried alone."""
        if self._failed and (self._final or not isinstance(error, Exception)):
            self._failed(run=run, error=error)


class StepHooks(Observer):
    """Passes every step on to ``step_finished``; made only where a plugin implements it."""

    def __init__(self, registry: Registry) -> None:
        self._step = registry.lifecycle("step_finished")

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Call ``step_finished``."""
        if self._step:
            self._step(runs=runs, step=step, losses=losses)


def hooks(registry: Registry, *, final: bool = True) -> list[Observer]:
    """Return the observers that the registry's plugins need; ``final`` as in `Hooks`."""
    return [Hooks(registry, final=final), *([StepHooks(registry)] if registry.lifecycle("step_finished") else [])]
