"""Train R runs as one array program. READ FIRST: the whole data flow on one page.

`train` builds a population from resolved configurations. For each batch it computes forward, loss, backward and update.
At the end of each epoch every run is validated and recorded. A run leaves the population if it stopped early,
diverged, or a hook asked it to stop.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from framework.base.run import Run
from framework.config.resolved import RunConfig
from framework.data.batches import Batch, chunks
from framework.data.prepare import Samples
from framework.errors import PluginError, exits_as_errors
from framework.system.resources import blas_threads
from framework.training.observers import Observer, Observers
from framework.training.population import Population
from framework.training.record import EpochMeans, Outcome, Record
from framework.training.state import RunState, restore

COPIED = 8
"""Runs that leave before the others are tested in copies of at most 1/COPIED of their population (at least one run)."""


def train(
    configs: Sequence[RunConfig],
    runs: Sequence[Run],
    observers: Sequence[Observer] = (),
    states: Sequence[RunState] = (),
) -> list[Outcome]:
    """Train R runs of one structure; return their outcomes in the order of ``runs``.

    Args:
        configs: one checked configuration per run; only numbers and seeds may differ.
        runs: the identities of the runs, for observers and hooks.
        observers: called at each event; those without a ``step`` method cost nothing per step.
        states: the states from which the runs continue, of one epoch; empty for runs from the start.

    Raises:
        InputError: the parts do not fit together, or a state does not fit its run; nothing was trained.
        RunFailedError: a plugin asked for the end of the process.
    """
    # A diverging run overflows. Divergence is detected and recorded, so NumPy's warnings are switched off.
    with blas_threads(configs[0].settings.threads), np.errstate(all="ignore"), exits_as_errors():
        watch = Observers(observers)
        population = Population(configs)
        records = [Record(run, population.settings) for run in runs]
        begun = restore(population, records, states) if states else (0, 0)
        outcomes: dict[str, Outcome] = {}
        try:
            with exits_as_errors():
                watch.started(runs, population)
                for run, state in zip(runs, states, strict=False):  # no states: no run continues
                    watch.restore(run, state.hooks)
                epochs = _epochs(population, records, watch, *begun)
                del population  # else it would stay in memory together with the smaller one of the remaining runs
                for remaining, leaving in epochs:
                    outcomes |= _conclude(remaining, leaving, watch)
                    del remaining
        except BaseException as error:
            for run in runs:
                if run.id not in outcomes:
                    watch.failed(run, error)
            raise
        return [outcomes[run.id] for run in runs]


def _epochs(
    population: Population, records: list[Record], watch: Observers, finished: int, step: int
) -> Iterator[tuple[Population, dict[int, Record]]]:
    """Train; whenever runs leave, yield the population and the records of the leaving runs by row.

    Args:
        population: the runs.
        records: their records.
        watch: called at each event.
        finished: the number of epochs that are finished already.
        step: the number of steps that are taken already.
    """
    spent = max(record.seconds for record in records)
    deadline = time.monotonic() - spent + (population.settings.max_seconds or float("inf"))
    for epoch in itertools.count(finished + 1):
        started = time.perf_counter()
        means = EpochMeans(population)
        population.model.begin_epoch(epoch)
        for taken, losses in steps_of(population, epoch, step, means, single=watch.every_step):
            step += taken
            watch.step(records, step, losses)
            ended = step == population.total or time.monotonic() >= deadline
            if ended or means.all_diverged():
                break
        seconds = time.perf_counter() - started
        with population.evaluating(epoch):
            training, validation = means.finish(), evaluate(population, population.data.validation)
            for row, record in enumerate(records):
                record.finish_epoch(step, row, seconds, means, training, validation, population)
                watch.epoch(record)
                if watch.should_stop(record):
                    record.stop()
        population.update.observe(validation["loss"])
        leaving = {row: record for row, record in enumerate(records) if ended or record.done}
        if leaving:
            yield population, leaving
        staying = [row for row in range(len(records)) if row not in leaving]
        if not staying:
            return
        if leaving:
            configs, tensors, records = population.configs, population.tensors(), [records[row] for row in staying]
            del population  # frees its gradients and scratch arrays before the smaller one is allocated
            population = Population.take(configs, tensors, staying)
        watch.between(records, population, step)


def steps_of(
    population: Population, epoch: int, step: int, means: EpochMeans, *, single: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Take the steps of an epoch, one or several at a time; yield how many, and the losses ``(R,)`` of the last one.

    Args:
        population: the runs.
        epoch: the number of the epoch.
        step: the number of steps that are taken already.
        means: the means of the epoch.
        single: whether to take one step at a time also if several can run without returning to Python.
    """
    order, number = population.batches.order(epoch), 0
    while number < population.batches.per_epoch:
        count = 0 if single else population.together.count(number, step)
        if count:
            each, predictions, targets = population.together.take(order, number, step, count)
            means.add_several(step + 1, each, predictions, targets)
            losses = each[:, -1]
            del predictions, targets  # else they would stay in memory during the next steps
        else:
            losses = train_step(population, population.batches.take(order, number), step + 1, means)
        number, step = number + (count or 1), step + (count or 1)
        yield count or 1, losses


def train_step(population: Population, batch: Batch, step: int, means: EpochMeans) -> np.ndarray:
    """Take optimizer step ``step`` on one batch; return the training losses before the step, shape ``(R,)``."""
    losses, predictions = write_gradients(population, batch)
    means.add(step, losses, predictions, batch)
    objective = BatchObjective(population, batch, losses)
    population.update.step(step, objective)
    if objective.further:
        means.evaluated(step, objective.further)
    return losses


def write_gradients(population: Population, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Write the gradients of the training loss on one batch; return losses ``(R,)`` and predictions ``(R, B, …)``.

    `framework.training.passes` computes forward pass, loss and backward pass in NumPy, or replays NumPy's calls.
    """
    return population.passes.write(batch)


@dataclass
class BatchObjective:
    """The training loss of a population on one batch, for optimizers that evaluate it again within a step.

    Attributes:
        losses: losses at the parameters before the step, shape ``(R,)``.
        further: the number of evaluations so far.
    """

    population: Population
    batch: Batch
    losses: np.ndarray
    further: int = 0

    def evaluate(self) -> np.ndarray:
        """Return the losses ``(R,)`` at the current parameters and overwrite the gradients.

        Raises:
            PluginError: the optimizer does not declare ``needs_closure``, so that these evaluations are not expected.
        """
        optimizer = self.population.update.optimizer
        if not optimizer.needs_closure:
            raise PluginError(
                f"optimizer {optimizer.label()} evaluates the loss within a step: declare needs_closure = True"
            )
        self.further += 1
        losses, _ = write_gradients(self.population, self.batch)
        return losses


def evaluate(population: Population, samples: Samples) -> dict[str, np.ndarray]:
    """Return the loss and the metrics over all samples in evaluation mode, by name, shape ``(R,)`` each."""
    total = np.zeros(population.runs)
    metrics = population.new_metrics()
    for batch in chunks(samples, population.model.samples_at_once):
        predictions = population.model.forward(batch.inputs)
        total += population.loss.forward(predictions, batch.targets).astype(np.float64) * batch.size
        for metric in metrics.values():
            metric.update(predictions, batch.targets)
    return {"loss": total / len(samples), **{name: metric.value() for name, metric in metrics.items()}}


def _conclude(population: Population, leaving: dict[int, Record], watch: Observers) -> dict[str, Outcome]:
    """Test the leaving runs with their kept parameters, unless ``evaluate_test`` is off; return their outcomes by id.

    If other runs stay, the leaving ones are copied and tested in groups of at most 1/`COPIED` of the population, since
    the copies need memory in addition to the population.
    """
    rows = list(leaving)
    most = len(rows) if len(rows) == population.runs else max(1, population.runs // COPIED)
    outcomes = {}
    for at in range(0, len(rows), most):
        some = [leaving[row] for row in rows[at : at + most]]
        chosen = rows[at : at + most]
        last = population if len(chosen) == population.runs else population.copy_of(chosen)
        last.settle(len(some[0].history))
        for row, record in enumerate(some):
            record.restore_kept(last, row)
        tested = evaluate(last, last.data.test) if last.settings.evaluate_test else {}
        for row, record in enumerate(some):
            outcome = record.outcome(last, row, tested)
            watch.finished(outcome)
            outcomes[record.run.id] = outcome
    return outcomes
