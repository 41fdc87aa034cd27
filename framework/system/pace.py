"""Rates of work and estimates of the time left. Clocks are arguments, so that results depend on arguments only."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

Clock = Callable[[], float]
"""A function that returns seconds since a fixed moment; it never decreases."""

WINDOW_SECONDS = 30.0
"""Period, in seconds, over which the rate is measured: short, because a machine's load changes."""
REPORT_SECONDS = 5.0
"""Minimum time, in seconds, before the first progress line of a log and between two of them."""
PRIOR = 0.02
"""Weight of the initial estimate, as a share of all work, relative to the measured share."""


def share_of_budget(step: int, steps: int | None, elapsed: float, seconds: float | None) -> float:
    """Return the used share of a budget, ``min(1, max(step / steps, elapsed / seconds))``.

    Args:
        step: the steps done.
        steps: the steps of the budget, or None.
        elapsed: the seconds passed.
        seconds: the seconds of the budget, or None.
    """
    by_steps = step / steps if steps else 0.0
    by_time = elapsed / seconds if seconds else 0.0
    return min(1.0, max(by_steps, by_time))


class Throttle:
    """Limits an action to once every ``seconds``; the first time is allowed at once."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = -math.inf

    def ready(self) -> bool:
        """Return whether the action is allowed now; if so, it is next allowed after ``seconds``."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class Pace:
    """The rate of a run and the time left of its budget. A run ends after its steps or seconds, whichever is first.

    Args:
        steps: the steps of the budget, or None.
        seconds: the seconds of the budget, or None; they count from the creation of this object.
        clock: the clock.
    """

    def __init__(self, steps: int | None, seconds: float | None, clock: Clock) -> None:
        self._steps = steps
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._began, 0)])

    def reached(self, step: int) -> None:
        """Record that ``step`` is done."""
        now = self._clock()
        self._seen.append((now, step))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Steps per second, evaluation included; None until a step is recorded."""
        (then, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - then) if now > then and last > first else None

    @property
    def share(self) -> float:
        """The used share of the budget, from 0 to 1."""
        return share_of_budget(self._seen[-1][1], self._steps, self._clock() - self._began, self._seconds)

    @property
    def left(self) -> float | None:
        """Seconds until the budget is used up; None if unknown."""
        now, (at, step), rate = self._clock(), self._seen[-1], self.rate
        ends = [] if self._seconds is None else [self._began + self._seconds]
        if self._steps is not None and rate is not None:
            ends.append(at + (self._steps - step) / rate)
        return max(0.0, min(ends) - now) if ends else None


class Remaining:
    """The time left of work whose finished share is known, from measurements and an initial estimate.

    Args:
        estimate: the expected seconds for all work, without the start of worker processes, or None.
        clock: the clock; the work begins at the creation of this object.
    """

    def __init__(self, estimate: float | None, clock: Clock) -> None:
        self._estimate = estimate
        self._clock = clock
        self._at = clock()
        self._share = 0.0
        self._first = (self._at, 0.0)

    def reached(self, share: float) -> None:
        """Record the share of the work that is done, from 0 to 1."""
        if share == self._share:
            return
        now = self._clock()
        if not self._share and share <= PRIOR and self._estimate is not None:  # mostly start-up time: do not count it
            self._first = (now, share)
        self._share, self._at = share, now

    @property
    def left(self) -> float | None:
        """Seconds left, counted down between two changes of the share; None if unknown or if the time is exceeded."""
        began, first = self._first
        prior = 0.0 if self._estimate is None else PRIOR
        measured = max(self._share - first, 0.0) + prior
        if not measured:
            return None
        whole = (self._at - began + prior * (self._estimate or 0.0)) / measured
        left = (1 - self._share) * whole - (self._clock() - self._at)
        return left if left > 0 else None


class Milestones:
    """Decides which progress reports become log lines: at most one per ``1 / most`` of the work.

    There are at least `REPORT_SECONDS` before the first line and between two lines.

    Args:
        most: the maximum number of lines.
        clock: the clock; the work begins at the creation of this object.
        at_once: whether the first line may be written at once.
    """

    def __init__(self, most: int, clock: Clock, *, at_once: bool = False) -> None:
        self._most = most
        self._clock = clock
        self._part = -1
        self._next = clock() + (0.0 if at_once else REPORT_SECONDS)

    def due(self, share: float) -> bool:
        """Return whether a line is due with ``share`` (from 0 to 1) of the work done; if so, count it as written."""
        now, part = self._clock(), min(int(share * self._most), self._most - 1)
        if part <= self._part or now < self._next:
            return False
        self._part, self._next = part, now + REPORT_SECONDS
        return True


def time_left(seconds: float | None) -> str:
    """Return ``"12 s left"``, ``"5 min left"``, ``"2.5 h left"``, or "" for an unknown time."""
    if seconds is None:
        return ""
    if seconds < 99.5:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h left"
