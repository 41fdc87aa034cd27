"""Results of checks, and the functions that run checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: one line of the table.

    Attributes:
        check: name of the check, such as ``"together_as_alone"``.
        status: ``"passed"``, ``"failed"`` or ``"skipped"``.
        reason: why it failed or was skipped; "" if it passed.
        figure: the measured value, or None.
        bound: the largest value that passes, or None.
    """

    check: str
    status: str
    reason: str = ""
    figure: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Figure:
    """The measurement of a check, which passes if ``value`` is at most ``bound``.

    Attributes:
        value: the measured value; NaN fails.
        bound: the largest value that passes.
        says: the message if the check fails.
    """

    value: float
    bound: float
    says: str = ""


class Skip(Exception):  # noqa: N818 - not an error: the check does not apply
    """The check does not apply; the message says why."""


class Broken(Exception):  # noqa: N818 - as for `Skip`, the message is the result
    """The check failed without a measured value; the message says why."""


Check = Callable[[Any], Figure]


def run_checks(checks: Sequence[Check], subject: Any) -> list[CheckResult]:
    """Return one result per check, in order; an exception of the plugin becomes a failed check."""
    return [judge(check, subject) for check in checks]


def judge(check: Check, subject: Any) -> CheckResult:
    """Run one check and return its result."""
    name = check.__name__
    try:
        figure = check(subject)
    except Skip as reason:
        return CheckResult(name, SKIPPED, str(reason))
    except Broken as reason:
        return CheckResult(name, FAILED, str(reason))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything; it fails the check
        return CheckResult(name, FAILED, f"{type(error).__name__}: {error}".replace("\n", " "))
    good = not math.isnan(figure.value) and figure.value <= figure.bound
    return CheckResult(name, PASSED if good else FAILED, "" if good else figure.says, figure.value, figure.bound)


def skipped(checks: Sequence[Check], reason: str) -> list[CheckResult]:
    """Return a skipped result for every check."""
    return [CheckResult(check.__name__, SKIPPED, reason) for check in checks]


def worst(found: Iterable[tuple[float, str]], bound: float) -> Figure:
    """Return the largest of the measured values with its message; NaN counts as larger than any number.

    Args:
        found: pairs of a value and a message.
        bound: the largest value that passes.

    Raises:
        Skip: ``found`` is empty.
    """
    listed = list(found)
    if not listed:
        raise Skip("there is nothing to measure")
    value, says = max(listed, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    return Figure(value, bound, says)
