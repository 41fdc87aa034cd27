"""Display of progress: lines rewritten in place on a terminal, a few lines in a log, or nothing."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from functools import cached_property
from types import TracebackType
from typing import IO, TYPE_CHECKING

from framework.system.pace import Clock, Milestones

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

MOST_BAR, LEAST_BAR = 30, 8
"""Maximum and minimum number of characters of a bar; if the minimum does not fit, no bar is drawn."""


class View(ABC):
    """Shows the progress of work. As a context manager it calls `close` at the end."""

    @abstractmethod
    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        """Show the state of the work.

        Args:
            share: the share that is done, from 0 to 1; None draws no bar.
            parts: texts, the most important first because terminals may be narrow; empty ones are left out.
            below: the text of a second line, or "".
        """

    @abstractmethod
    def note(self, line: str) -> None:
        """Write a permanent line."""

    @abstractmethod
    def close(self) -> None:
        """Remove the lines that are rewritten in place; a later `show` draws them again."""

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Hidden(View):
    """Shows nothing."""

    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        """Do nothing."""

    def note(self, line: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Log(View):
    """Writes some of the progress reports as lines on the standard output.

    Args:
        milestones: decides which reports are written.
    """

    def __init__(self, milestones: Milestones) -> None:
        self._milestones = milestones

    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        """Write a line if one is due."""
        if self._milestones.due(share or 0.0):
            self.note("; ".join(filter(None, [", ".join(filter(None, parts)), below])))

    def note(self, line: str) -> None:
        """Write a line."""
        sys.stdout.write(printable(f"{line}\n", sys.stdout))
        sys.stdout.flush()

    def close(self) -> None:
        """Do nothing: lines are permanent."""


class Screen(View):
    """Rewrites lines at the bottom of a terminal; other output appears above them.

    Lines are drawn only in calls of `show`, so that no drawing thread takes time from training.

    Args:
        console: rich's console for the terminal; by default one on the standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._given = console
        self._live: Live | None = None
        self._bar = MOST_BAR

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return self._given or Console()

    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        """Draw the state in place of the previous one."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stderr=sys.stderr.isatty(),  # if errors go to a file, rich must not redirect them
            )
            self._live.start()
        self._live.update(self._drawn(share, "  ".join(filter(None, parts)), below), refresh=True)

    def _drawn(self, share: float | None, text: str, below: str) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        lines = [
            Text(printable(words, self._console.file), no_wrap=True, overflow="ellipsis") for words in (text, below)
        ]
        self._bar = min(self._bar, self._console.width - lines[0].cell_len - 2)  # never grows: it would flicker
        if share is None or self._bar < LEAST_BAR:
            return Group(*lines[: 2 if below else 1])
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=1.0, completed=share, width=self._bar), lines[0])
        return Group(row, *lines[1 : 2 if below else 1])

    def note(self, line: str) -> None:
        """Write a permanent line above the lines that are rewritten."""
        self._console.print(printable(line, self._console.file), markup=False, highlight=False)

    def close(self) -> None:
        """Remove the lines."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def view(most: int, *, progress: bool, at_once: bool = False, clock: Clock = time.monotonic) -> View:
    """Return the view for the current standard output: `Screen` on a terminal, else `Log`.

    Args:
        most: the maximum number of lines in a log.
        progress: if False, return `Hidden`.
        at_once: whether the first line of a log may be written at once.
        clock: the clock for the lines of a log.
    """
    if not progress:
        return Hidden()
    return Screen() if on_terminal() else Log(Milestones(most, clock, at_once=at_once))


def on_terminal() -> bool:
    """Return whether the standard output is a terminal that can rewrite a line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def printable(text: str, stream: IO[str]) -> str:
    """Return a text in which characters that the stream's encoding lacks are replaced."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
