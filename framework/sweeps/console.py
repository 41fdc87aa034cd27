"""Progress display of a running sweep: runs done, time left, and the best setting so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from framework.sweeps.best_so_far import BestSoFar
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.fractions import Fractions
from framework.sweeps.job import Job
from framework.sweeps.planning import Plan
from framework.system.pace import Clock, Remaining, Throttle, time_left
from framework.system.terminal import View, view

REFRESH_SECONDS = 0.5
"""Seconds between two updates of the display."""
MOST_LINES = 5
"""Maximum number of progress lines in a log while a sweep trains; the delivery to MLflow has its own limit."""
MOST_ERRORS = 3
"""Maximum number of different errors that are shown as they happen; the table counts all failed runs."""


class SweepProgress:
    """Shows the progress of a sweep. Its methods may be called from two threads.

    Args:
        jobs: all jobs of the sweep.
        seconds: estimated training time of the whole sweep, or None.
        fractions: the progress of each run.
        shown: the view that displays it.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        seconds: float | None,
        fractions: Fractions,
        shown: View,
        clock: Clock = time.monotonic,
    ) -> None:
        self._total = len(jobs)
        self._fractions = fractions
        self._shown = shown
        self._remaining = Remaining(seconds, clock)
        self._best = BestSoFar(jobs)
        self._done = self._failed = 0
        self._errors: set[str] = set()
        self._throttle = Throttle(REFRESH_SECONDS, clock)
        self._lock = threading.Lock()

    def ended(self, job: Job, end: Ended) -> None:
        """Record a run that ended; update the display, at most once per `REFRESH_SECONDS`."""
        with self._lock:
            self._done += 1
            self._fractions.end(job.number)
            self._best.add(job, end)
            if isinstance(end, Failed):
                self._failed += 1
                if end.error not in self._errors and len(self._errors) < MOST_ERRORS:
                    self._errors.add(end.error)
                    self._shown.note(f"run {job.number} failed: {end.error}")
        if self._throttle.ready():
            self.show()

    def show(self) -> None:
        """Update the display."""
        with self._lock:
            share = self._fractions.share()
            self._remaining.reached(share)
            failed = f" ({self._failed:,} failed)" if self._failed else ""
            parts = [f"{self._done:,} of {self._total:,} runs{failed}", time_left(self._remaining.left)]
            self._shown.show(share, parts, self._best.text())


class Ticker:
    """Calls a function at intervals in a thread of its own.

    A context manager. An exception of the function ends the calls and is raised again when the context is left.

    Args:
        tick: the function.
        seconds: interval between two calls.
    """

    def __init__(self, tick: Callable[[], None], seconds: float) -> None:
        self._tick = tick
        self._seconds = seconds
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._over.wait(self._seconds):
                self._tick()
        except Exception as error:  # noqa: BLE001 - raised again by __exit__
            self._error = error

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error


@dataclass(frozen=True)
class Watch:
    """The interface through which the code that runs a sweep reports progress.

    Attributes:
        ended: to be called with each job that ended and its result.
        fractions: the file to which workers write the progress of each run, or None.
    """

    ended: Callable[[Job, Ended], None]
    fractions: Path | None


@contextmanager
def watching(jobs: Sequence[Job], planned: Plan | None, *, progress: bool) -> Iterator[Watch]:
    """Show the progress of a sweep while the context is active.

    Args:
        jobs: all jobs of the sweep.
        planned: the plan, or None if another launcher runs the jobs.
        progress: False shows nothing.
    """
    if not progress:
        yield Watch(lambda job, end: None, None)
        return
    weights = {job.number: 1.0 for job in jobs}
    for block in planned.blocks if planned else ():
        weights |= {job.number: block.seconds / len(block.jobs) for job in block.jobs}
    with Fractions(weights) as fractions, view(MOST_LINES, progress=True) as shown:
        sweep = SweepProgress(jobs, planned.seconds if planned else None, fractions, shown)
        sweep.show()
        with Ticker(sweep.show, REFRESH_SECONDS):
            yield Watch(sweep.ended, fractions.path)
