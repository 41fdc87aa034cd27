"""Progress of each run of a sweep, from 0 to 1, in a file of one float64 per run that the workers write.

The runs of a block end all at once, perhaps after many minutes. Until then the command reads their progress from this
file. A worker on another machine cannot see the file and writes nothing.
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
    """The progress file, as used by the command that runs the sweep.

    A context manager; the file is deleted when the context is left.

    Args:
        weights: share of the whole work per run, by job number, in any unit; if all are zero, runs count equally.

    Attributes:
        path: the file's path.
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._weights = np.zeros(max(weights) + 1)
        total = sum(weights.values())
        for number, weight in weights.items():
            self._weights[number] = weight / total if total else 1 / len(weights)
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)  # Windows cannot delete a file that is in use
        self.path = Path(self._folder.name) / "fractions"
        # Not a sparse file: on a full disk, a write to a mapped sparse file kills the writing process.
        self.path.write_bytes(bytes(self._weights.nbytes))
        self._values = np.memmap(self.path, np.float64, "r+")

    def end(self, number: int) -> None:
        """Set a run's progress to 1 because it has ended, successfully or not."""
        self._values[number] = 1.0

    def share(self) -> float:
        """Return the weighted mean of the runs' progress, from 0 to 1."""
        return float(self._weights @ self._values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()


class WriteFractions(Observer):
    """Writes the progress of runs to the file at the end of each epoch.

    Args:
        path: the file's path.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        self._values = np.memmap(path, np.float64, "r+")
        self._clock = clock
        self._began = 0.0
        self._steps: int | None = None
        self._seconds: float | None = None

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Store the budget and set the runs' progress to 0: they may have been tried before."""
        self._began = self._clock()
        self._steps, self._seconds = population.total, population.settings.max_seconds
        for run in runs:
            self._values[int(run.id)] = 0.0

    def epoch(self, record: Record) -> None:
        """Write the run's progress."""
        step, elapsed = int(record.history[-1]["step"]), self._clock() - self._began
        self._values[int(record.run.id)] = share_of_budget(step, self._steps, elapsed, self._seconds)

    def finished(self, outcome: Outcome) -> None:
        """Write progress 1: the run has finished, perhaps before its budget was used up."""
        self._values[int(outcome.run.id)] = 1.0


def writers(path: Path | None) -> list[Observer]:
    """Return a list of the observer that writes to the file; empty if there is no such file on this machine."""
    return [WriteFractions(path)] if path is not None and path.is_file() else []
