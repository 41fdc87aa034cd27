"""What a check says, and how checks are run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        check: its name, such as ``"together_as_alone"``.
        status: ``"passed"``, ``"failed"`` or ``"skipped"``.
        reason: why it failed or was skipped; "" where it passed.
        figure: what was measured, or None.
        bound: the largest figure that passes, or None.
    """

    check: str
    status: str
    reason: str = ""
    figure: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Figure:
    """What a check measured; it passes where ``value`` is at most ``bound``.

    Attributes:
        says: in words, what is wrong where the value is too large.
    """

    value: float
    bound: float
    says: str = ""


class Skip(Exception):  # noqa: N818 - not an error: the check does not apply
    """The check does not apply; the message says why."""


class Broken(Exception):  # noqa: N818 - as `Skip`, the message is the verdict
    """The check failed in a way that no figure tells; the message says how."""


Check = Callable[[Any], Figure]


def run_checks(checks: Sequence[Check], subject: Any) -> list[Result]:
    """Return one result a check, in order; whatever a plugin raises becomes a failed check."""
    return [judge(check, subject) for check in checks]


def judge(check: Check, subject: Any) -> Result:
    """Run one check."""
    name = check.__name__
    try:
        figure = check(subject)
    except Skip as reason:
        return Result(name, SKIPPED, str(reason))
    except Broken as reason:
        return Result(name, FAILED, str(reason))
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; that is a finding
        return Result(name, FAILED, f"{type(error).__name__}: {error}".replace("\n", " "))
    good = not math.isnan(figure.value) and figure.value <= figure.bound
    return Result(name, PASSED if good else FAILED, "" if good else figure.says, figure.value, figure.bound)


def skipped(checks: Sequence[Check], reason: str) -> list[Result]:
    """Return every check as skipped."""
    return [Result(check.__name__, SKIPPED, reason) for check in checks]


def worst(found: Iterable[tuple[float, str]], bound: float) -> Figure:
    """Return the largest of the figures with its words; a NaN is larger than any number.

    Raises:
        Skip: there are none.
    """
    listed = list(found)
    if not listed:
        raise Skip("there is nothing to measure")
    value, says = max(listed, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    return Figure(value, bound, says)
