"""How schedules ask for the length of the budget."""

from __future__ import annotations

from framework import InputError, Schedule


def budget(schedule: Schedule, total: int | None, setting: str = "") -> int:
    """Return the steps that ``schedule`` is laid out over.

    Args:
        schedule: who asks.
        total: steps in its part of the budget, or None where only time limits it.
        setting: the field that would make the question needless, or "".

    Raises:
        InputError: only time limits the budget.
    """
    if total is None:
        instead = f", or schedule.{setting}" if setting else ""
        raise InputError(f"schedule {schedule.label()} is laid out over the whole budget: set epochs or steps{instead}")
    return total
