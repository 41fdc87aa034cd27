"""What a person sees of a sweep while it runs: runs done, time left, the best setting so far."""

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
"""Between two updates of what is shown."""
MOST_LINES = 5
"""Progress lines of a sweep in a log while it trains; the delivery has its own."""
MOST_ERRORS = 3
"""Different errors of failed runs that are written as they happen; the table counts all."""


class SweepProgress:
    """Shows how far a sweep is. Two threads may call it.

    Args:
        jobs: all runs.
        seconds: the estimated training time of all, or None.
        fractions: how far each run is.
        shown: where.
        clock: seconds.
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
        """Take a run that ended, and show it unless many do."""
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
        """Show the state of things."""
        with self._lock:
            share = self._fractions.share()
            self._remaining.reached(share)
            failed = f" ({self._failed:,} failed)" if self._failed else ""
            parts = [f"{self._done:,} of {self._total:,} runs{failed}", time_left(self._remaining.left)]
            self._shown.show(share, parts, self._best.text())


class Ticker:
    """Calls a function now and then in a thread of its own. A context manager, which raises what the function raised.

    Args:
        tick: the function.
        seconds: between two calls.
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
        except Exception as error:  # noqa: BLE001 - raised again where it is seen
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
    """What those who run a sweep need so that a person sees how far it is.

    Attributes:
        ended: to be called with each job that ended.
        fractions: the file to write to how far each run is, or None for none.
    """

    ended: Callable[[Job, Ended], None]
    fractions: Path | None


@contextmanager
def watching(jobs: Sequence[Job], planned: Plan | None, *, progress: bool) -> Iterator[Watch]:
    """Show the progress of a sweep as long as the context lasts.

    Args:
        jobs: all runs.
        planned: how they will be run; None where another launcher decides.
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
