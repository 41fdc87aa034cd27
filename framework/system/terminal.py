"""Where progress is shown: on a terminal lines that are rewritten in place, in a log a few lines, or nowhere."""

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
"""Characters of a bar; where there is no room for the least, there is none."""


class View(ABC):
    """Shows how far work is. A context manager: what is shown in place goes away at its end."""

    @abstractmethod
    def show(self, share: float | None, parts: list[str], below: str = "") -> None:
        """Show the state of the work.

        Args:
            share: the part that is done, from 0 to 1; None draws no bar.
            parts: the most important first, for terminals may be narrow; empty ones are left out.
            below: one more line, or "".
        """

    @abstractmethod
    def note(self, line: str) -> None:
        """Write a line that stays."""

    @abstractmethod
    def close(self) -> None:
        """Take away what is shown in place; a later `show` brings it back."""

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
    """Writes some of what it is shown as lines.

    Args:
        milestones: decides which.
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
        """Do nothing: lines stay."""


class Screen(View):
    """Rewrites lines at the bottom of a terminal; what others print while they stand appears above them.

    Nothing is drawn between two calls of `show`: no thread takes time from training.

    Args:
        console: rich's, for the terminal; by default that of the standard output.
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
        """Draw it in place of what was there."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stderr=sys.stderr.isatty(),  # errors that go to a file shall get there
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
        self._bar = min(self._bar, self._console.width - lines[0].cell_len - 2)  # never longer: it would flicker
        if share is None or self._bar < LEAST_BAR:
            return Group(*lines[: 2 if below else 1])
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=1.0, completed=share, width=self._bar), lines[0])
        return Group(row, *lines[1 : 2 if below else 1])

    def note(self, line: str) -> None:
        """Write a line above."""
        self._console.print(printable(line, self._console.file), markup=False, highlight=False)

    def close(self) -> None:
        """Take the lines away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def view(most: int, *, progress: bool, at_once: bool = False, clock: Clock = time.monotonic) -> View:
    """Return where progress is shown now.

    Args:
        most: lines in a log.
        progress: False shows none.
        at_once: in a log the first line need not wait.
        clock: for the lines of a log.
    """
    if not progress:
        return Hidden()
    return Screen() if on_terminal() else Log(Milestones(most, clock, at_once=at_once))


def on_terminal() -> bool:
    """Whether the standard output is a terminal that can rewrite a line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def printable(text: str, stream: IO[str]) -> str:
    """Return a text with what the stream's encoding lacks replaced."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
