"""What a population will cost, found on a small one before it starts: memory and time by a few real steps."""

from __future__ import annotations

import itertools
import math
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.base.run import Config
from framework.data.batches import Batch
from framework.data.prepare import Samples
from framework.errors import InputError, format_error
from framework.system.resources import blas_threads
from framework.training.loop import evaluate, train_step
from framework.training.population import Population
from framework.training.record import GATHERED, EpochMeans

PROBED_STEPS = 4
"""Steps of a probe; the fastest counts."""
MANY = 8
"""Runs of the larger population that time is taken on, where they fit into `PROBED_BYTES`; else two."""
PROBED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Estimate:
    """What training costs.

    Attributes:
        shared: bytes that a process holds once, whatever the number of runs: the data, and what layers make of it
            where runs see the same.
        per_run: bytes that each run of a population adds at its peak.
        alone: seconds of a step of one run alone.
        beside: seconds that each further run adds to a step.
        steps: optimizer steps of a whole run, or None where only time limits it.
        failed: why no run of them could be tried, or "".
        limit: seconds after which a run ends, whatever its steps.
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
        """Return the bytes that a population of ``runs`` needs at its peak."""
        return self.shared + runs * self.per_run

    def seconds(self, runs: int) -> float:
        """Return the training time of a population of ``runs``."""
        limit = math.inf if self.limit is None else self.limit
        if self.steps is None:
            return limit
        return min(limit, self.steps * (self.alone + (runs - 1) * self.beside))


def estimate(configs: Sequence[Config]) -> Estimate:
    """Return what runs of one structure cost, from a few steps of one, two and some runs.

    A configuration that cannot be trained because a plugin raises is passed over: the run itself will say why.

    Args:
        configs: one or more of the group's configurations.

    Raises:
        InputError: the parts do not fit together.
    """
    why = ""
    for tried in configs:
        try:
            return _estimate([{**tried, "seed": config["seed"]} for config in configs])
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin's error is its own run's; the others' cost is found without it
            why = why or format_error(error)
    return Estimate(0, 0, 0.0, 0.0, 0, failed=why)


def fits(configs: Sequence[Config]) -> list[str]:
    """Build the parts of runs of one structure, without a step; return their `Population.cautions`.

    A plugin that raises is passed over, as in `estimate`.

    Raises:
        InputError: the parts do not fit together.
    """
    try:
        return Population(configs[:1]).cautions
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - a plugin's error is its own run's, which will say it
        return []


def _estimate(configs: Sequence[Config]) -> Estimate:
    with blas_threads(configs[0]["threads"]), np.errstate(all="ignore"):
        first = Population(configs[:1])
        data = first.data
        shared = sum(a.nbytes for part in (data.train, data.validation, data.test) for a in (part.inputs, part.targets))
        # What a process makes once (imports, caches, rules compiled for one run and several) is no population's cost.
        for population in (first, Population(_repeated(configs, 2))):
            _steps(population)
        del population
        (resting, one), (both_resting, two) = (_memory(_repeated(configs, runs)) for runs in (1, 2))
        runs = MANY if MANY * (two - one) <= PROBED_BYTES else 2
        alone, many = (_step_seconds(_repeated(configs, count)) for count in (1, runs))
    held = min(GATHERED, len(data.train) * int(np.prod(first.model.output_shape)))
    # The numbers of a run are copied for its outcome, and while it trains for its best epoch.
    copies = (1 + first.settings.keeps_best) * (first.model.parameters.size + first.model.buffers.size)
    beside = max((many - alone) / (runs - 1), 0.0)
    each = two - one + (2 * held + copies) * first.model.parameters.dtype.itemsize
    # Where a run leaves early, the others move into a new population beside the numbers of the old one.
    each = max(each, 2 * (both_resting - resting))
    limit, cautions = first.settings.max_seconds, tuple(first.cautions)
    shared += max(2 * one - two, 0)
    return Estimate(shared, each, alone, beside, first.total, limit=limit, cautions=cautions)


def _repeated(configs: Sequence[Config], runs: int) -> list[Config]:
    return list(itertools.islice(itertools.cycle(configs), runs))


def _memory(configs: Sequence[Config]) -> tuple[int, int]:
    """Return the bytes that a population holds before its first step, and those at its peak."""
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
    """Pass batches of every size that training and evaluation meet: layers hold scratch for each."""
    settings, data, most = population.settings, population.data, population.model.samples_at_once
    batch = next(population.batches.epoch(1))
    last = 0 if settings.drop_last else len(data.train) % settings.batch_size
    if last:
        smaller = Batch(batch.inputs[:, :last].copy(), batch.targets[:, :last].copy())
        train_step(population, smaller, PROBED_STEPS + 1, EpochMeans(population))
    for samples in (data.validation, data.test):
        for count in {min(most, len(samples)), len(samples) % most} - {0}:
            evaluate(population, Samples(samples.inputs[:count], samples.targets[:count]))


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
