"""Estimates of the memory and time of a population, measured on a few real steps of small populations."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.config.resolved import RunConfig
from framework.data.prepare import Samples
from framework.errors import InputError, exits_as_errors, format_error
from framework.system.resources import blas_threads
from framework.training.loop import evaluate, train_step
from framework.training.population import Population
from framework.training.record import GATHERED, EpochMeans
from framework.training.step_time import timed_steps

PROBED_STEPS = 4
"""Number of timed steps; the fastest one counts."""
MANY = 8
"""Number of runs of the larger probed population if they fit into the bytes below; otherwise two."""
PROBED_BYTES = 256 * 2**20
"""Maximum memory of the larger timed population, in bytes."""
SMALL_BYTES = 16 * 2**20
"""Maximum memory of the larger population whose memory is measured, in bytes; above, two runs show what each adds."""


@dataclass(frozen=True)
class Estimate:
    """Cost of training runs of one structure.

    Memory of R runs is shared + R * per_run bytes; time is steps * (alone + (R - 1) * beside) seconds, at most limit.

    Attributes:
        shared: bytes that a process holds once, independent of the number of runs: the data, and values that layers
            compute from it when all runs get the same data.
        per_run: bytes that each run adds to the population's peak.
        alone: seconds per step of a single run.
        beside: seconds that each further run adds to a step.
        steps: optimizer steps of a whole run, or None if only time limits it.
        failed: the error if no configuration could be probed, otherwise "".
        limit: seconds after which a run ends regardless of its steps, or None.
        cautions: as `Population.cautions`.
    """

    shared: int
    per_run: int
    alone: float
    beside: float
    steps: int | None
    failed: str = ""
    limit: float | None = None
    cautions: tuple[str, ...] = ()

    def memory(self, runs: int) -> int:
        """Return the peak memory of a population of ``runs``, in bytes."""
        return self.shared + runs * self.per_run

    def seconds(self, runs: int) -> float:
        """Return the training time of a population of ``runs``, in seconds."""
        limit = math.inf if self.limit is None else self.limit
        if self.steps is None:
            return limit
        return min(limit, self.steps * (self.alone + (runs - 1) * self.beside))


def estimate(configs: Sequence[RunConfig]) -> Estimate:
    """Return the cost of runs of one structure, measured on a few steps of one run and of up to `MANY`.

    A configuration whose training raises a plugin's error is skipped: its own run will report the error. If all fail,
    the estimate is zero and its ``failed`` holds the first error.

    Args:
        configs: one or more configurations of the group.

    Raises:
        InputError: the parts do not fit together.
    """
    first_error = ""
    for tried in configs:
        try:
            with exits_as_errors():
                return _estimate([tried.with_seed(config.settings.seed) for config in configs])
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin's error belongs to its own run; probe the others
            first_error = first_error or format_error(error)
    return Estimate(0, 0, 0.0, 0.0, 0, failed=first_error)


def fits(configs: Sequence[RunConfig]) -> list[str]:
    """Build the parts of a run of one structure without training it; return its `Population.cautions`.

    A plugin's error is ignored, as in `estimate`.

    Args:
        configs: configurations of one structure; only the first is built.

    Raises:
        InputError: the parts do not fit together.
    """
    try:
        with exits_as_errors():
            return Population(configs[:1]).cautions
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - the run itself will report a plugin's error
        return []


def _estimate(configs: Sequence[RunConfig]) -> Estimate:
    with blas_threads(configs[0].settings.threads), np.errstate(all="ignore"):
        first = Population(configs[:1])
        data = first.data
        shared = sum(a.nbytes for part in (data.train, data.validation, data.test) for a in (part.inputs, part.targets))
        resting, one = _memory(configs[:1])
        runs = MANY if MANY * one <= SMALL_BYTES else 2
        both_resting, both = _memory(_repeated(configs, runs))
        each = math.ceil((both - one) / (runs - 1))
        # If a run ends early, the others are copied into a new population while the old one still exists.
        each = max(each, 2 * math.ceil((both_resting - resting) / (runs - 1)))
        runs = MANY if MANY * each <= PROBED_BYTES else 2
        alone, many = (_step_seconds(_repeated(configs, count)) for count in (1, runs))
    beside = max((many - alone) / (runs - 1), 0.0)
    limit, cautions = first.settings.max_seconds, tuple(first.cautions)
    shared += max(one - each, 0)
    return Estimate(shared, each, alone, beside, first.total, limit=limit, cautions=cautions)


def _repeated(configs: Sequence[RunConfig], runs: int) -> list[RunConfig]:
    return list(itertools.islice(itertools.cycle(configs), runs))


def _memory(configs: Sequence[RunConfig]) -> tuple[int, int]:
    """Return the bytes that a population holds before its first step, and its peak, without its data.

    CPython sometimes moves its table of strings, which appears as an allocation of megabytes that remains: then the
    population is measured again.
    """
    _train_briefly(Population(configs))  # the costs per process (data, imports, compilation) are not to be measured
    resting, peak, remaining = _traced(configs)
    return _traced(configs)[:2] if remaining > peak // 10 else (resting, peak)


def _traced(configs: Sequence[RunConfig]) -> tuple[int, int, int]:
    """Return the bytes before the first step, at the peak, and when the population is gone."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        settings = [config.as_data() for config in configs]  # of each run, for its records
        population = Population(configs)
        resting = tracemalloc.get_traced_memory()[0] - before
        _train_briefly(population)
        peak = tracemalloc.get_traced_memory()[1] - before
        del settings, population
        return resting, peak, tracemalloc.get_traced_memory()[0] - before
    finally:
        if not tracing:
            tracemalloc.stop()


def _train_briefly(population: Population) -> None:
    """Do what training does, in the same order, with few steps of two epochs.

    Layers keep arrays for each size of batch, and predictions are held until the end of an epoch.
    """
    kept = []
    for steps in (3, 1):  # replayed passes are recorded, compared and replayed for several steps at once
        _steps(population, steps)
        _end_epoch(population)
        _evaluate(population, population.data.validation)
        if population.settings.keeps_best:
            kept = _copies(population)
    kept += _copies(population)  # of the outcomes
    if population.settings.evaluate_test:
        _evaluate(population, population.data.test)


def _copies(population: Population) -> list[np.ndarray]:
    return [population.model.parameters.flat.copy(), population.model.buffers.flat.copy()]


def _end_epoch(population: Population) -> None:
    """Train on the smaller last batch of an epoch and compute its metrics, as if all other batches had been trained."""
    batches, output, means = population.batches, population.model.output_shape, EpochMeans(population)
    order, train = batches.order(1), population.data.train
    samples = min(len(train), math.ceil(GATHERED / math.prod(output)))
    targets = train.targets[batches.indices(order, 0, batches.per_epoch)[:, :samples]]
    predictions = np.zeros((population.runs, samples, *output), population.model.parameters.dtype)
    means.add_several(1, np.zeros((population.runs, 1)), predictions, targets)
    del predictions, targets  # held by the means until they are used
    if not population.settings.drop_last and len(train) % population.settings.batch_size:
        train_step(population, batches.take(order, batches.per_epoch - 1), 1, means)
    means.finish()


def _evaluate(population: Population, samples: Samples) -> None:
    """Evaluate batches of each size that the evaluation of ``samples`` has."""
    most = population.model.samples_at_once
    for count in {min(most, len(samples)), len(samples) % most} - {0}:
        evaluate(population, Samples(samples.inputs[:count], samples.targets[:count]))


def _step_seconds(configs: Sequence[RunConfig]) -> float:
    return min(_steps(Population(configs), PROBED_STEPS))


def _steps(population: Population, count: int) -> list[float]:
    return list(itertools.islice(timed_steps(population), count))
