"""Estimates of the memory and time of a population, measured on a few real steps of small populations."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.config.resolved import RunConfig
from framework.data.batches import Batch
from framework.data.prepare import Samples
from framework.errors import InputError, exits_as_errors, format_error
from framework.system.resources import blas_threads
from framework.training.loop import evaluate, train_step
from framework.training.population import Population
from framework.training.record import GATHERED, EpochMeans
from framework.training.step_time import timed_steps

PROBED_STEPS = 4
"""Number of steps of a probe; the fastest step counts."""
MANY = 8
"""Number of runs of the larger timed population if they fit into `PROBED_BYTES`; otherwise two."""
PROBED_BYTES = 256 * 2**20
"""Maximum memory of the larger timed population, in bytes."""


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
    """Return the cost of runs of one structure, measured on a few steps of one, two and up to `MANY` runs.

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
        # Warm up: costs per process (imports, caches, rules compiled for one run and for several) must not be measured.
        for population in (first, Population(_repeated(configs, 2))):
            _steps(population)
        del population
        (resting, one), (both_resting, two) = (_memory(_repeated(configs, runs)) for runs in (1, 2))
        runs = MANY if MANY * (two - one) <= PROBED_BYTES else 2
        alone, many = (_step_seconds(_repeated(configs, count)) for count in (1, runs))
    gathered = min(GATHERED, len(data.train) * int(np.prod(first.model.output_shape)))
    # A run's parameters and buffers are copied for its outcome, and once more if its best epoch is kept.
    copies = (1 + first.settings.keeps_best) * (first.model.parameters.size + first.model.buffers.size)
    beside = max((many - alone) / (runs - 1), 0.0)
    each = two - one + (2 * gathered + copies) * first.model.parameters.dtype.itemsize
    # If a run ends early, the others are copied into a new population while the old one still exists.
    each = max(each, 2 * (both_resting - resting))
    limit, cautions = first.settings.max_seconds, tuple(first.cautions)
    shared += max(2 * one - two, 0)
    return Estimate(shared, each, alone, beside, first.total, limit=limit, cautions=cautions)


def _repeated(configs: Sequence[RunConfig], runs: int) -> list[RunConfig]:
    return list(itertools.islice(itertools.cycle(configs), runs))


def _memory(configs: Sequence[RunConfig]) -> tuple[int, int]:
    """Return the bytes that a population holds before its first step, and its peak."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        population = Population(configs)
        resting = tracemalloc.get_traced_memory()[0] - before
        _steps(population)
        _meet_all_sizes(population)
        return resting, tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()


def _meet_all_sizes(population: Population) -> None:
    """Run batches of every size that training and evaluation use, because layers allocate buffers for each size."""
    settings, data, most = population.settings, population.data, population.model.samples_at_once
    batch = next(population.batches.epoch(1))
    last = 0 if settings.drop_last else len(data.train) % settings.batch_size
    if last:
        smaller = Batch(batch.inputs[:, :last].copy(), batch.targets[:, :last].copy())
        train_step(population, smaller, PROBED_STEPS + 1, EpochMeans(population))
    for samples in (data.validation, data.test) if settings.evaluate_test else (data.validation,):
        for count in {min(most, len(samples)), len(samples) % most} - {0}:
            evaluate(population, Samples(samples.inputs[:count], samples.targets[:count]))


def _step_seconds(configs: Sequence[RunConfig]) -> float:
    return min(_steps(Population(configs)))


def _steps(population: Population) -> list[float]:
    return list(itertools.islice(timed_steps(population), PROBED_STEPS))
