"""The time of one optimizer step, measured apart from evaluation and recording."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator

import numpy as np

from framework.config.resolved import RunConfig
from framework.errors import exits_as_errors
from framework.system.resources import blas_threads
from framework.training.loop import steps_of
from framework.training.population import Population
from framework.training.record import EpochMeans

WARM_UP = 2
"""Steps before the timed ones: layers allocate their arrays, and the rule is compiled."""
LEAST, MOST = 5, 1000
"""Least and greatest number of timed steps."""
SECONDS = 0.2
"""Default of the time after which no further step is timed."""
PARTS = 5
"""Number of parts whose means are compared."""


def step_seconds(config: RunConfig, limit: float = SECONDS) -> float:
    """Return the time of one optimizer step of a single run in this process, in seconds.

    A step consists of the selection of the batch, forward pass, loss, backward pass and update; evaluation and the
    first steps do not count. The steps are those at the start of the run; a run of few steps is repeated. They are
    divided into `PARTS` parts, and the median of the parts' means is returned: work that a rule does once in several
    steps, such as a matrix root, counts with its share, and a part that another process disturbed does not count.

    Two measurements differ: by a few percent on an idle machine, by more if its cores are shared or change their
    frequency. Compare times that were measured in one process, one after the other, with nothing else running. If the
    number of evaluations within a step varies, as for L-BFGS, the time is that of the run's start.

    Args:
        config: a checked configuration.
        limit: time in seconds after which no further step is timed, unless there are fewer than `LEAST`.

    Raises:
        InputError: the parts of the run do not fit together.
    """
    with blas_threads(config.settings.threads), np.errstate(all="ignore"), exits_as_errors():
        steps = itertools.chain.from_iterable(timed_steps(Population([config])) for _ in itertools.count())
        for _ in range(WARM_UP):
            next(steps)
        end = time.perf_counter() + limit
        times = list(itertools.islice(steps, LEAST))
        while len(times) < MOST and time.perf_counter() < end:
            times.append(next(steps))
    return statistics.median(float(part.mean()) for part in np.array_split(times, PARTS))


def timed_steps(population: Population) -> Iterator[float]:
    """Take the steps of a population's budget as training does, without evaluation; yield the seconds of each.

    Steps that are taken in one call share its time equally.
    """
    step = 0
    for epoch in itertools.count(1):
        means = EpochMeans(population)
        population.model.begin_epoch(epoch)
        started = time.perf_counter()
        for taken, _ in steps_of(population, epoch, step, means, single=False):
            step += taken
            yield from [(time.perf_counter() - started) / taken] * taken
            if step == population.total:
                return
            started = time.perf_counter()
