"""Threads that share the work of one compiled call."""

from __future__ import annotations

import functools
import os
import threading
from queue import SimpleQueue
from typing import Any

from framework.compiler.llvm import Call


class Team:
    """The calling thread and ``helpers`` helper threads, which wait between calls. Several threads may call `run`."""

    def __init__(self, helpers: int) -> None:
        self._asked: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(helpers)]
        for asked in self._asked:
            threading.Thread(target=self._help, args=(asked,), name="framework-kernels", daemon=True).start()

    def run(self, call: Call, plan: int, row: int, keep: Any) -> None:
        """Make the same call in every thread and return after all have finished.

        Args:
            call: a function that processes pieces of the work until none is left.
            plan: its first argument.
            row: its second argument.
            keep: objects that must not be freed while a helper works.

        Raises:
            BaseException: an interrupt, or an exception of the call in this thread; the helpers have then finished.
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
            del ticket, call, plan, row, _keep  # otherwise the waiting thread keeps the last call's arrays alive


class _Ticket:
    """Counts the helpers that have finished one call."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self._finished: list[None] = []
        self._bell: SimpleQueue[None] = SimpleQueue()

    def finish(self) -> None:
        """Record that one more helper has finished."""
        self._finished.append(None)
        self._bell.put(None)

    def wait(self) -> None:
        """Return after all helpers have finished; an interrupt is raised only then."""
        try:
            while len(self._finished) < len(self.given):
                self._bell.get()
        finally:
            if len(self._finished) < len(self.given):
                self.wait()


@functools.cache
def team(threads: int) -> Team:
    """Return this process's team of ``threads`` threads, the calling one included."""
    return Team(threads - 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # threads do not survive a fork
