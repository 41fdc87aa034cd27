"""When to ask a store again that does not answer, and when to give up."""

from __future__ import annotations

import time

from framework.system.pace import Clock

FIRST_SECONDS, MOST_SECONDS = 0.1, 15.0
"""The first pause after a failed call; each further failure doubles it, up to the second value."""
HURRIED_SECONDS = 2.0
"""The longest pause while the end of delivery is awaited."""
GIVE_UP_SECONDS, GIVE_UP_CALLS = 5.0, 6
"""Seconds and failed calls in a row after which the end of delivery is not awaited any longer."""
HANGING_SECONDS = 15.0
"""Seconds without a successful call that suffice alone: a store that hangs fails few calls."""


class Outage:
    """The failed calls since the store last did what was asked.

    Args:
        clock: a monotonic clock, in seconds.

    Attributes:
        reason: the error of the last failed call.
        hurried: whether somebody waits, so that pauses are short.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.reason = ""
        self.hurried = False
        self._clock = clock
        self._since: float | None = None
        self._calls = 0
        self._pause = 0.0
        self._retry_at = 0.0

    def failed(self, reason: str) -> None:
        """Record a failed call; `wait` is longer after each."""
        now = self._clock()
        self.reason = reason
        self._calls += 1
        self._since = now if self._since is None else self._since
        self._pause = min(max(2 * self._pause, FIRST_SECONDS), HURRIED_SECONDS if self.hurried else MOST_SECONDS)
        self._retry_at = now + self._pause

    def answered(self) -> None:
        """Record a successful call."""
        self._since, self._calls, self._pause, self._retry_at = None, 0, 0.0, 0.0

    def hurry(self) -> None:
        """Allow a call now and shorten the pauses after it."""
        self.hurried, self._pause, self._retry_at = True, 0.0, 0.0

    def wait(self) -> float:
        """Return the seconds until the next call is allowed."""
        return max(0.0, self._retry_at - self._clock())

    def lasts(self) -> bool:
        """Return whether every call has failed for so long that it is better to leave the rest to `sync`."""
        if self._since is None:
            return False
        seconds = self._clock() - self._since
        return seconds >= HANGING_SECONDS or (seconds >= GIVE_UP_SECONDS and self._calls >= GIVE_UP_CALLS)
