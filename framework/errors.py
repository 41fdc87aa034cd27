"""Errors a user can meet, and the words that help them out."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable


class FrameworkError(Exception):
    """Anything this project raises on purpose."""


class InputError(FrameworkError, ValueError):
    """The user asked for something that cannot be: a wrong name, type, range or file.

    The message is one line that says what is wrong, where, and what to do. The command line prints it and
    exits with code 2.
    """


class PluginError(FrameworkError):
    """A plugin is broken, or two plugins claim one name. The message names the provider."""


class TrackingError(FrameworkError):
    """The tracking store could not be reached or written. The run's own journal is complete all the same."""


class RunFailedError(FrameworkError):
    """A run of a sweep ended by an error, whose words these are."""


def format_error(error: BaseException) -> str:
    """Return an error in one line; ours say it all, another's type helps."""
    try:
        words = " ".join(str(error).split())
    except Exception as other:  # noqa: BLE001 - the text of a plugin's own exception may raise anything
        words = f"its message cannot be shown ({type(other).__name__})"
    return words if isinstance(error, FrameworkError) else f"{type(error).__name__}: {words}"


def short(value: object, most: int = 60) -> str:
    """Return a value as it is typed, its middle left out if it is longer than ``most`` characters."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = _digits(value) if isinstance(value, int) else str(value)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-8:]} ({len(text)} characters)"


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write thousands of digits
        return f"{value:#x}"


def one_line(message: object) -> str:
    """Return a message on one line, with words of hundreds of characters shortened."""
    return re.sub(r"\S{300,}", lambda found: short(found[0], 120), " ".join(str(message).splitlines()))


def warn(line: str) -> None:
    """Write a warning where it does not mix with results."""
    sys.stderr.write(f"warning: {line}\n")


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return ``"; did you mean a, b?"`` for the known names closest to ``name``, or all names when few."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=most, cutoff=0.5)
    if close:
        return f"; did you mean {', '.join(close)}?"
    if not known:
        return ""
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"; known: {shown}"


def warn_all(lines: Iterable[str]) -> None:
    """Write warnings where they do not mix with results."""
    for line in lines:
        warn(line)
