"""A few threads that share the work of one compiled call."""

from __future__ import annotations

import functools
import os
import threading
from queue import SimpleQueue
from typing import Any

from framework.native import Call


class Team:
    """The calling thread and ``helpers`` others, which wait between calls. One call at a time."""

    def __init__(self, helpers: int) -> None:
        self._asked: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(helpers)]
        self._done: SimpleQueue[Any] = SimpleQueue()
        for asked in self._asked:
            threading.Thread(target=self._help, args=(asked,), name="framework-kernels", daemon=True).start()

    def run(self, call: Call, plan: int, row: int, keep: Any) -> None:
        """Make the same call in every thread and return when all are through.

        Args:
            call: takes pieces of the work until there are none.
            plan: its first argument.
            row: its second argument.
            keep: what must not be freed while a helper works, should an interrupt end this call early.
        """
        ticket = object()
        for asked in self._asked:
            asked.put((ticket, call, plan, row, keep))
        call(plan, row)
        missing = len(self._asked)
        while missing:
            missing -= self._done.get() is ticket  # a call that was interrupted may have left its tickets behind

    def _help(self, asked: SimpleQueue[Any]) -> None:
        while True:
            ticket, call, plan, row, _keep = asked.get()
            call(plan, row)
            self._done.put(ticket)
            del ticket, call, plan, row, _keep  # or the last call's arrays would live on while this thread waits


@functools.cache
def team(threads: int) -> Team:
    """Return this process's team of so many threads."""
    return Team(threads - 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # a child has no helpers: it makes its own
