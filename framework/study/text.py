"""A comparison as text for the terminal and in Markdown for the parent run's page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from framework.study.comparison import Comparison, Problem, Reach, Standing
from framework.study.statistics import LEVEL
from framework.study.verdict import mean_text
from framework.sweeps.text import markdown
from framework.system.formatting import listed, table

MOST_GROUPS = 5
"""Largest number of groups that are listed per problem."""


def comparison_text(found: Comparison) -> str:
    """Return one table per problem, with one line per entrant and the indistinguishable groups, and the verdict."""
    parts = [_on(found, problem) for problem in found.problems]
    return "\n".join([*parts, found.verdict]) + "\n"


def _on(found: Comparison, problem: Problem) -> str:
    rows = [standing for standing in found.standings if standing.problem == problem.name]
    lines = [f"{problem.name}: {problem.budget}", table(_cells(found, problem, rows)), *_groups(found, problem)]
    lines += [f"  {row.entrant}: {note}" for row in rows for note in row.notes]
    return "\n".join(lines) + "\n"


def comparison_markdown(found: Comparison) -> str:
    """Return the verdict and one table per problem in Markdown."""
    parts = [f"**{found.verdict}**"]
    for problem in found.problems:
        rows = _cells(found, problem, [each for each in found.standings if each.problem == problem.name])
        parts.append("\n".join([f"**{problem.name}**", "", *markdown(rows)]))
    return "\n\n".join(parts)


def best_means(found: Comparison) -> dict[str, float]:
    """Return the best entrant's mean figure on each problem, under names that no run uses, for the parent run."""
    first = {standing.problem: standing for standing in reversed(found.standings)}
    problems = [problem for problem in found.problems if problem.name in first]
    return {f"best/{each.name}/{each.figure}": first[each.name].summary.mean for each in problems}


def _cells(found: Comparison, problem: Problem, standings: Sequence[Standing]) -> list[tuple[str, ...]]:
    heads = ["entrant", "rank", problem.figure, "seeds", "setting", "steps to target", "difference to the best"]
    rows = [
        [
            row.entrant,
            str(row.rank),
            mean_text(row) + _lost(row),
            str(row.summary.seeds),
            " ".join(f"{name}={value:g}" for name, value in row.setting.items()) or "defaults",
            reach_text(row.steps_to_target),
            difference_text(row, found),
        ]
        for row in standings
    ]
    left_out = {"steps to target"} if problem.target is None else set()
    left_out |= set() if found.tuned else {"setting"}
    kept = [at for at, head in enumerate(heads) if head not in left_out]
    return [tuple(row[at] for at in kept) for row in [heads, *rows]]


def _lost(standing: Standing) -> str:
    parts = [f"{n} {what}" for n, what in ((standing.diverged, "diverged"), (standing.failed, "failed")) if n]
    return f" ({', '.join(parts)})" if parts else ""


def reach_text(reach: Reach | None) -> str:
    """Return steps to a target with their interval, such as ``"450 [400, 520]"``; a miss is "never"."""
    if reach is None:
        return ""
    if not math.isfinite(reach.median):
        return "never" if not reach.reached else f"never ({reach.reached} seeds did)"
    low, high = (f"{end:,.0f}" if math.isfinite(end) else "never" for end in (reach.low, reach.high))
    return f"{reach.median:,.0f} [{low}, {high}]"


def difference_text(standing: Standing, found: Comparison) -> str:
    """Return an entrant's mean difference to the best with its p, or that the two are not distinguishable."""
    first = next(each for each in found.standings if each.problem == standing.problem)
    if standing is first:
        return "best mean"
    shown = f"{standing.difference + 0.0:+.4g}"  # no negative zero
    if standing.p <= LEVEL:
        return f"{shown}, p = {standing.p:.2g}"
    return f"{shown}, not distinguishable"


def _groups(found: Comparison, problem: Problem) -> list[str]:
    groups = [group for group in found.groups[problem.name] if len(group) > 1]
    lines = [f"  not distinguishable: {listed(group)}" for group in groups[:MOST_GROUPS]]
    hidden = len(groups) - MOST_GROUPS
    return [*lines, f"  … and {hidden} further groups in the report"] if hidden > 0 else lines
