"""The end of runs that did not write it themselves, because they were interrupted or their process was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framework.runs.journal import Journal, last_entry


def close_killed(folder: Path) -> bool:
    """End the journal in a folder with the status KILLED, if it has begun and has no end; return whether it was open.

    No other process may write to the journal.

    Raises:
        InputError: the last entry is damaged.
        OSError: the journal cannot be written.
    """
    last = last_entry(folder)
    if last is None or last.kind == "end":
        return False
    Journal(folder).end("KILLED")
    return True


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Close the journal in a folder if an interrupt ends the ``with`` block, wherever the interrupt came."""
    try:
        yield
    except KeyboardInterrupt:
        close_killed(folder)
        raise
