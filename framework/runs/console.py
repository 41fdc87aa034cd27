"""Console output of a single run: an announcement before training, and the progress during it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TextIO

import numpy as np

from framework.base.run import Run
from framework.errors import warn_all
from framework.runs.summary import headline, layer_table
from framework.system.formatting import figure_text
from framework.system.pace import Clock, Pace, Throttle, time_left
from framework.system.terminal import View, view
from framework.training import kept
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import Outcome, Record

REFRESH_SECONDS = 0.2
"""Least time in seconds between two updates of the progress line."""
MOST_LINES = 9
"""Most progress lines of a single run in a log, in addition to the last line, about the delivery to MLflow."""


class Announce(Observer):
    """Writes a headline and the layer table before training.

    Args:
        stream: text stream to write to, by default standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Write the headline and the layer table; issue the population's cautions as warnings."""
        warn_all(population.cautions)
        self._stream.write(f"{headline(runs[0], population)}\n{layer_table(population)}\n")
        self._stream.flush()


class Progress(Observer):
    """Shows epoch, time left, loss, validation metric and steps per second, at most every `REFRESH_SECONDS`.

    Args:
        shown: view that displays the progress.
        clock: function that returns the time in seconds.
    """

    every_step = False

    def __init__(self, shown: View, clock: Clock = time.monotonic) -> None:
        self._shown = shown
        self._clock = clock
        self._throttle = Throttle(REFRESH_SECONDS, clock)
        self._pace = Pace(None, None, clock)
        self._per_epoch = 1
        self._epochs = ""
        self._validation = ""

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Show the first epoch."""
        self._pace = Pace(population.total, population.settings.max_seconds, self._clock)
        self._per_epoch = population.batches.per_epoch
        if population.total is not None:
            self._epochs = f"/{math.ceil(population.total / self._per_epoch):,}"
        self._show(1, None)

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Show the step if the last update is long enough ago."""
        if self._throttle.ready():
            self._pace.reached(step)
            self._show(math.ceil(step / self._per_epoch), float(losses[0]))

    def epoch(self, record: Record) -> None:
        """Store the validation metric; show it at the next update."""
        row = record.history[-1]
        name = kept.ranking_figure(row, "val/")
        self._validation = f"{name} {figure_text(row[name])}"
        if self._throttle.ready():
            self._pace.reached(int(row["step"]))
            self._show(int(row["epoch"]), row["train/loss"])

    def _show(self, epoch: int, loss: float | None) -> None:
        rate = self._pace.rate
        parts = [
            f"epoch {epoch:>{len(self._epochs) - 1},}{self._epochs}" if self._epochs else f"epoch {epoch:,}",
            time_left(self._pace.left),
            "" if loss is None else f"loss {figure_text(loss)}",
            self._validation,
            "" if rate is None else f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s",
        ]
        self._shown.show(self._pace.share, parts)

    def finished(self, outcome: Outcome) -> None:
        """Close the view."""
        self._shown.close()

    def failed(self, run: Run, error: BaseException) -> None:
        """Close the view."""
        self._shown.close()


def observers(*, progress: bool) -> list[Observer]:
    """Return the observers that show a single run: always `Announce`, and `Progress` if ``progress``."""
    return [Announce(), *([Progress(view(MOST_LINES, progress=True))] if progress else [])]
