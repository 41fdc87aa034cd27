"""A few threads that share the work of one compiled call."""

from __future__ import annotations

import functools
import os
import threading
from queue import SimpleQueue
from typing import Any

from framework.compiler.llvm import Call


class Team:
    """The calling thread and ``helpers`` others, which wait between calls. Several threads may call at once."""

    def __init__(self, helpers: int) -> None:
        self._asked: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(helpers)]
        for asked in self._asked:
            threading.Thread(target=self._help, args=(asked,), name="framework-kernels", daemon=True).start()

    def run(self, call: Call, plan: int, row: int, keep: Any) -> None:
        """Make the same call in every thread and return when all are through.

        Args:
            call: takes pieces of the work until there are none.
            plan: its first argument.
            row: its second argument.
            keep: what must not be freed while a helper works.

        Raises:
            BaseException: an interrupt, or what the call raises here; the helpers are through then, too.
        """
        ticket = _Ticket()
        try:
            for asked in self._asked:
                asked.put((ticket, call, plan, row, keep))
                ticket.given.append(asked)
            call(plan, row)
        finally:
            ticket.wait()

    def _help(self, asked: SimpleQueue[Any]) -> None:
        while True:
            ticket, call, plan, row, _keep = asked.get()
            call(plan, row)
            ticket.finish()
            del ticket, call, plan, row, _keep  # or the last call's arrays would live on while this thread waits


class _Ticket:
    """Counts the helpers of one call."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self._finished: list[None] = []
        self._bell: SimpleQueue[None] = SimpleQueue()

    def finish(self) -> None:
        """Say that one more helper is through."""
        self._finished.append(None)
        self._bell.put(None)

    def wait(self) -> None:
        """Return when all are through; an interrupt is raised then, not before."""
        try:
            while len(self._finished) < len(self.given):
                self._bell.get()
        finally:
            if len(self._finished) < len(self.given):
                self.wait()


@functools.cache
def team(threads: int) -> Team:
    """Return this process's team of so many threads."""
    return Team(threads - 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # a child has no helpers: it makes its own
