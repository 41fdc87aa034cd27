"""How far each run of a sweep is, from 0 to 1: a file of one number per run, written by those who train it.

The runs of a block end all at once, perhaps after many minutes. Until then the command reads here how far they are. A
worker on another machine does not see the file and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import numpy as np

from framework.base.run import Run
from framework.system.pace import Clock, share_of_budget
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import Outcome, Record


class Fractions(AbstractContextManager["Fractions"]):
    """The file as the command that runs the sweep has it. A context manager: it exists no longer than that.

    Args:
        weights: what each run counts for, by its number; all zero is all alike.

    Attributes:
        path: of the file.
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._weights = np.zeros(max(weights) + 1)
        total = sum(weights.values())
        for number, weight in weights.items():
            self._weights[number] = weight / total if total else 1 / len(weights)
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)  # Windows removes no file that is in use
        self.path = Path(self._folder.name) / "fractions"
        self.path.write_bytes(bytes(self._weights.nbytes))  # a sparse file on a full disk would kill who writes to it
        self._values = np.memmap(self.path, np.float64, "r+")

    def end(self, number: int) -> None:
        """Take note that a run has ended, however it did."""
        self._values[number] = 1.0

    def share(self) -> float:
        """Return the part of all work that is done, from 0 to 1."""
        return float(self._weights @ self._values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()


class WriteFractions(Observer):
    """Writes how far runs are, at each epoch's end.

    Args:
        path: of the file.
        clock: seconds.
    """

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        self._values = np.memmap(path, np.float64, "r+")
        self._clock = clock
        self._began = 0.0
        self._steps: int | None = None
        self._seconds: float | None = None

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Take the budget; runs that are tried again are at the beginning."""
        self._began = self._clock()
        self._steps, self._seconds = population.total, population.settings.max_seconds
        for run in runs:
            self._values[int(run.id)] = 0.0

    def epoch(self, record: Record) -> None:
        """Write how far the run is."""
        step, elapsed = int(record.history[-1]["step"]), self._clock() - self._began
        self._values[int(record.run.id)] = share_of_budget(step, self._steps, elapsed, self._seconds)

    def finished(self, outcome: Outcome) -> None:
        """Write that the run is done, perhaps before its budget."""
        self._values[int(outcome.run.id)] = 1.0


def writers(path: Path | None) -> list[Observer]:
    """Return the observer that writes to the file, if there is one on this machine."""
    return [WriteFractions(path)] if path is not None and path.is_file() else []
