"""Text of a sweep's plan: groups, time, memory and disk."""

from __future__ import annotations

from framework.sweeps.planning import Plan
from framework.system.formatting import counted, duration, size, table

DISK_PER_RUN = 60_000
"""Disk use per run of a small model, in bytes: configurations, journal, weights, and its rows in MLflow."""


def plan_text(planned: Plan, reused: int = 0) -> str:
    """Return the plan as text: groups and runs, the reason if they train one by one, time, memory and disk.

    Args:
        planned: the plan.
        reused: the number of further runs whose results are there already.
    """
    rows = [("group", "runs", "together", "time", "memory")]
    notes = []
    for group, cost in planned.groups:
        blocks = [block for block in planned.blocks if block.jobs[0] in group.jobs]
        together = max(len(block.jobs) for block in blocks)
        seconds = sum(block.seconds for block in blocks)
        memory = max(block.memory for block in blocks)
        rows.append((group.label, str(len(group.jobs)), str(together), duration(seconds), size(memory)))
        if group.alone:
            notes.append(f"  {group.label}: one by one, because {group.alone}")
        if cost.failed:
            notes.append(f"  {group.label}: could not be measured: {cost.failed}")
    runs = sum(len(group.jobs) for group, _ in planned.groups)
    total = (
        f"{_grouped(planned)} on "
        f"{planned.workers} {'process' if planned.workers == 1 else 'processes'}: about {duration(planned.seconds)} of "
        f"training, {size(planned.memory)} of memory, {size(runs * DISK_PER_RUN)} of disk. Nothing was started."
    )
    return "\n".join([table(rows), *notes, *([reused_text(reused)] if reused else []), total]) + "\n"


def reused_text(runs: int) -> str:
    """Return one line with the number of runs whose results are there already."""
    return f"{counted(runs, 'run')} reused: finished before in this experiment"


def grouping_text(planned: Plan) -> str:
    """Return a summary line, and one line per group whose runs train one by one."""
    lines = [
        f"{_grouped(planned)}, {planned.workers} "
        f"{'process' if planned.workers == 1 else 'processes'}; about {duration(planned.seconds)}"
    ]
    lines += [f"  {group.label}: one by one, because {group.alone}" for group, _ in planned.groups if group.alone]
    return "\n".join(lines) + "\n"


def _grouped(planned: Plan) -> str:
    runs = sum(len(group.jobs) for group, _ in planned.groups)
    groups, blocks = counted(len(planned.groups), "group"), counted(len(planned.blocks), "block")
    return f"{counted(runs, 'run')} in {groups} and {blocks}"
