"""The length of the budget, for schedules that depend on it."""

from __future__ import annotations

from framework import InputError, Schedule


def budget(schedule: Schedule, total: int | None, setting: str = "") -> int:
    """Return the number of steps that ``schedule`` is laid out over.

    Args:
        schedule: the schedule, which the error message names.
        total: the number of steps in its part of the budget, or None if only time limits it.
        setting: the field that can be set instead of a budget in steps, or "".

    Raises:
        InputError: only time limits the budget.
    """
    if total is None:
        instead = f", or schedule.{setting}" if setting else ""
        raise InputError(f"schedule {schedule.label()} is laid out over the whole budget: set epochs or steps{instead}")
    return total
