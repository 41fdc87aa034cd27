"""Compare the estimated memory of populations with the peak of their training, each in a new process."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framework.base.run import Run
from framework.cli.help.presets import Presets
from framework.config.check import remade
from framework.config.resolved import RunConfig
from framework.sweeps.cost import estimate
from framework.training.loop import train
from framework.training.population import Population

PROBLEMS = ("rosenbrock", "digits_softmax", "digits_mlp", "digits_cnn", "digits_autoencoder")
"""From the smallest model to images and large outputs."""

POPULATIONS = (1, 8, 32, 128)
OFF = 0.3
"""Largest difference of estimate and peak that is accepted, relative to the estimate."""

MEASURES = ("estimate", "arrays", "resident")


@dataclass(frozen=True)
class MemoryRow:
    """One line of the benchmark: bytes of a population.

    Attributes:
        name: problem and number of runs.
        estimate: the estimated peak.
        arrays: the peak of what Python and NumPy allocate in training, without data that is loaded once.
        data: the data, which the estimate includes.
        resident: growth of the process's peak memory by training, after one run warmed it up.
    """

    name: str
    estimate: int
    arrays: int
    data: int
    resident: int

    @property
    def ratio(self) -> float:
        """The peak, data included, relative to the estimate."""
        return (self.arrays + self.data) / self.estimate

    def lines(self) -> list[str]:
        """Return the row as lines of text."""
        mib = (f"{number / 2**20:.2f}" for number in (self.estimate, self.arrays + self.data, self.resident))
        shown = "estimate {} MiB, peak {} MiB, growth of the process {} MiB".format(*mib)
        verdict = "reached" if abs(self.ratio - 1) <= OFF else "MISSED"
        return [f"{'memory':<11} {self.name:<32} {shown}  ratio {self.ratio:.2f}  target 1 ± {OFF:g}: {verdict}"]

    def plain(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {"part": "memory", **asdict(self), "ratio": self.ratio}


def rows() -> Iterator[MemoryRow]:
    """Yield a row per problem and number of runs."""
    for problem in PROBLEMS:
        for runs in POPULATIONS:
            found: dict[str, int] = {}
            for measure in MEASURES:
                words = [sys.executable, str(Path(__file__).resolve()), problem, str(runs), measure]
                done = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
                found |= json.loads(done.stdout.splitlines()[-1])
            yield MemoryRow(f"{problem}, R = {runs}", **found)


def _configs(problem: str, runs: int) -> list[RunConfig]:
    own = Presets.of().problem(problem).config.as_data()
    short = remade({**own, "epochs": 3, "steps": None, "kernel": "fused"})
    return [short.with_seed(seed) for seed in range(runs)]


def _train(configs: list[RunConfig]) -> None:
    train(configs, [Run(str(row), f"run {row}", config.as_data(), None) for row, config in enumerate(configs)])


def _arrays(configs: list[RunConfig]) -> int:
    """Return the traced peak of training; CPython sometimes moves its table of strings, which adds megabytes."""
    peaks = []
    for _ in range(3):
        gc.collect()
        tracemalloc.start()
        _train(configs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return min(peaks)


def _resident(configs: list[RunConfig]) -> int:
    _train(configs[:1])
    Path("/proc/self/clear_refs").write_text("5")  # forget the process's peak so far
    before = _status("VmRSS")
    _train(configs)
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _measured(problem: str, runs: int, measure: str) -> dict[str, int]:
    configs = _configs(problem, runs)
    if measure == "estimate":
        return {"estimate": estimate(configs).memory(runs)}
    if measure == "resident":
        return {"resident": _resident(configs)}
    data = Population(configs[:1]).data
    parts = (data.train, data.validation, data.test)
    held = sum(part.inputs.nbytes + part.targets.nbytes for part in parts)
    return {"arrays": _arrays(configs), "data": held}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measured(sys.argv[1], int(sys.argv[2]), sys.argv[3])) + "\n")
