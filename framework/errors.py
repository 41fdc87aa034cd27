"""Exceptions of the project, and functions that format messages for users."""

from __future__ import annotations

import difflib
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class FrameworkError(Exception):
    """The base class of all exceptions that the project raises deliberately."""


class InputError(FrameworkError, ValueError):
    """The user's input is invalid: a wrong name, type, range or file.

    The message is one line that names the error, its place and a remedy. The command line prints it and exits with
    code 2.

    Args:
        message: the message; line breaks, as in names that it repeats, become spaces.
    """

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).splitlines()))


class PluginError(FrameworkError):
    """A plugin is invalid, or two plugins register the same name. The message names the provider."""


class TrackingError(FrameworkError):
    """The tracking store could not be reached or written. The run's own journal is complete nevertheless."""


class Interrupted(KeyboardInterrupt):
    """An interrupt of a run or a sweep that has begun.

    Args:
        folder: its folder.
        notes: lines for the user, such as what was not delivered.
    """

    def __init__(self, folder: object, notes: Iterable[str] = ()) -> None:
        super().__init__(f"python -m framework resume {shlex.quote(str(folder))}")
        for note in notes:
            self.add_note(note)


class RunFailedError(FrameworkError):
    """A run failed. The message contains that of the run's error."""


@contextmanager
def exits_as_errors() -> Iterator[None]:
    """Convert an exit inside a ``with`` block, such as a plugin's `sys.exit`, to an error; an interrupt stays one.

    Without this, a plugin that exits would end the whole command, and its run would not be recorded as failed.

    Raises:
        RunFailedError: the block raised an exception that is no `Exception`, other than `KeyboardInterrupt`.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RunFailedError(format_error(error)) from error


def format_error(error: BaseException) -> str:
    """Return an error as one line of text; its type is named unless it is a `FrameworkError`."""
    try:
        words = " ".join(str(error).split())
    except Exception as other:  # noqa: BLE001 - str() of a plugin's own exception may raise anything
        words = f"its message cannot be shown ({type(other).__name__})"
    return words if isinstance(error, FrameworkError) else f"{type(error).__name__}: {words}"


def short(value: object, most: int = 60) -> str:
    """Return a value as users write it, with its middle left out if it is longer than ``most`` characters."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = _digits(value) if isinstance(value, int) else str(value)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-8:]} ({len(text)} characters)"


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to convert thousands of decimal digits
        return f"{value:#x}"


def one_line(message: object) -> str:
    """Return a message on one line, with words of 300 or more characters shortened."""
    return re.sub(r"\S{300,}", lambda found: short(found[0], 120), " ".join(str(message).splitlines()))


def warn(line: str) -> None:
    """Write a warning to the standard error, so that it does not mix with results."""
    sys.stderr.write(f"warning: {line}\n")


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return ``"; did you mean a, b?"`` with the known names closest to ``name``.

    If none is close, return ``"; known: …"`` with the first 12 known names, or "" if there are none.

    Args:
        name: the name that is not known.
        known: the known names.
        most: the maximum number of close names.
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=most, cutoff=0.5)
    if close:
        return f"; did you mean {', '.join(close)}?"
    if not known:
        return ""
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"; known: {shown}"


def warn_all(lines: Iterable[str]) -> None:
    """Write warnings to the standard error, so that they do not mix with results."""
    for line in lines:
        warn(line)
