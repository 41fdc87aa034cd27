"""Time checkpoints in the training of ``mnist_mlp``: epochs with one and without one, in turns, in one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measure import Row, duration

from framework.base.run import Run
from framework.checkpoint.file import FILE
from framework.checkpoint.writing import Checkpoints
from framework.config.check import check
from framework.config.resolved import RunConfig
from framework.config.settings import Checkpointing
from framework.errors import InputError
from framework.hydra_app.composed import plain_data
from framework.hydra_app.in_process import compose_run, own_hydra
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import Record

EPOCHS = 40
"""Measured epochs; every second one ends with a checkpoint. Two more come before."""

STAND_IN = ("dataset=blobs", "dataset.samples=70000", "dataset.features=784", "dataset.classes=10")
"""Data of MNIST's size, for machines without its files."""


class Turns(Observer):
    """Writes a checkpoint after every second epoch.

    Attributes:
        writes: seconds per checkpoint.
        spans: seconds of the epochs that end without a checkpoint and of those that end with one, it included.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._ended = 0.0
        self.writes: list[float] = []
        self.spans: tuple[list[float], list[float]] = ([], [])

    def between(self, records: Sequence[Record], population: Population, step: int) -> None:
        """Write a checkpoint if it is its turn, and note the times."""
        epoch, began = len(records[0].history), time.perf_counter()
        if epoch % 2:
            self._checkpoints.between(records, population, step)
        ended = time.perf_counter()
        if epoch > 2:
            self.spans[epoch % 2].append(ended - self._ended)
            if epoch % 2:
                self.writes.append(ended - began)
        self._ended = time.perf_counter()


def config_of(*words: str) -> RunConfig:
    """Return a run's checked configuration."""
    with own_hydra() as hydra:
        return check(plain_data(compose_run(hydra, list(words))))


def rows() -> list[Row]:
    """Return the row of a run with the default settings: its seconds with checkpoints per second of training."""
    words, data = ("problem=mnist_mlp", f"epochs={EPOCHS + 3}"), "MNIST"  # no checkpoint follows the last epoch
    try:
        return [_row(config_of(*words), data)]
    except InputError:  # its files are not there and cannot be downloaded
        return [_row(config_of(*words, *STAND_IN), "random points of MNIST's size")]


def _row(config: RunConfig, data: str) -> Row:
    with tempfile.TemporaryDirectory() as name:
        run, folder = Run("0", "bench", config.as_data(), Path(name)), Path(name)
        turns = Turns(Checkpoints({run.id: config}, 0))
        train([config], [run], [turns])
        size = (folder / FILE).stat().st_size
    every = config.section(Checkpointing).every_seconds
    write, (without, with_one) = statistics.median(turns.writes), turns.spans
    note = (
        f"{data}; a checkpoint of {size / 1e6:.2f} MB: median {duration(write).strip()}, "
        f"{duration(min(turns.writes)).strip()} to {duration(max(turns.writes)).strip()}; an epoch with one: "
        f"{_spread(with_one)}, without: {_spread(without)}"
    )
    times = {"ours": [every + write for write in turns.writes], "no checkpoints": [every] * len(turns.writes)}
    return Row("checkpoint", f"mnist_mlp, {every:g} s of training", times, {"no checkpoints": 1.01}, note)


def _spread(seconds: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return f"{duration(middle).strip()} (quartiles {duration(low).strip()}, {duration(high).strip()})"
