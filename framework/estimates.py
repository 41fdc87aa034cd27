"""What a population will cost, found on a small one before it starts: memory and time by a few real steps."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from framework.dataset import Samples
from framework.population import Config, Population
from framework.records import GATHERED, EpochMeans
from framework.training import evaluate, train_step

PROBED_STEPS = 4
"""Steps of a probe; the fastest counts."""
MANY = 8
"""Runs of the larger population that time is taken on."""


@dataclass(frozen=True)
class Estimate:
    """What training costs.

    Attributes:
        shared: bytes that a process holds once, whatever the number of runs: the data.
        per_run: bytes that each run of a population adds at its peak.
        alone: seconds of a step of one run alone.
        beside: seconds that each further run adds to a step.
        steps: optimizer steps of a whole run, or None where only time limits it.
    """

    shared: int
    per_run: int
    alone: float
    beside: float
    steps: int | None

    def memory(self, runs: int) -> int:
        """Return the bytes that a population of ``runs`` needs at its peak."""
        return self.shared + runs * self.per_run

    def seconds(self, runs: int) -> float:
        """Return the training time of a population of ``runs``."""
        return (self.steps or 0) * (self.alone + (runs - 1) * self.beside)


def estimate(configs: Sequence[Config]) -> Estimate:
    """Return what runs of one structure cost, from a few steps of one, two and some runs.

    Args:
        configs: one or more of the group's configurations.

    Raises:
        InputError: the parts do not fit together.
    """
    with threadpool_limits(configs[0]["threads"], user_api="blas"), np.errstate(all="ignore"):
        first = Population(configs[:1])
        data = first.data
        shared = sum(a.nbytes for part in (data.train, data.validation, data.test) for a in (part.inputs, part.targets))
        one, two = (_peak(_repeated(configs, runs)) for runs in (1, 2))
        alone, many = (_step_seconds(_repeated(configs, runs)) for runs in (1, MANY))
    held = min(GATHERED, len(data.train) * int(np.prod(first.model.output_shape)))
    copies = 2 * first.model.parameters.size  # the best parameters, and those of the outcome
    beside = max((many - alone) / (MANY - 1), 0.0)
    return Estimate(
        shared, two - one + (2 * held + copies) * first.model.parameters.dtype.itemsize, alone, beside, first.total
    )


def _repeated(configs: Sequence[Config], runs: int) -> list[Config]:
    return list(itertools.islice(itertools.cycle(configs), runs))


def _peak(configs: Sequence[Config]) -> int:
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    population = Population(configs)
    for _ in _steps(population):
        pass
    few = population.data.validation
    evaluate(
        population,
        Samples(few.inputs[: population.model.samples_at_once], few.targets[: population.model.samples_at_once]),
    )
    _, peak = tracemalloc.get_traced_memory()
    if not tracing:
        tracemalloc.stop()
    return peak - before


def _step_seconds(configs: Sequence[Config]) -> float:
    return min(_steps(Population(configs)))


def _steps(population: Population) -> list[float]:
    means = EpochMeans(population)
    times = []
    for step, batch in enumerate(itertools.islice(population.batches.epoch(1), PROBED_STEPS), start=1):
        if population.total is not None and step > population.total:
            break
        started = time.perf_counter()
        train_step(population, batch, step, means)
        times.append(time.perf_counter() - started)
    return times
