"""Standings, groups and pairs of a comparison as plain data: the first picture, the heat map and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.reports.numbers import number, positions, rounded
from framework.study.comparison import Comparison, Problem, Reach, Standing
from framework.study.outcome import repeated
from framework.study.statistics import LEVEL

TABLE_DIGITS = 7
"""Significant digits of the numbers in the tables."""


MOST_PAIRS = 60_000
"""Most pairs on the page; of more, those with the smallest p are shown."""


def problems(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the problems with their figures, their targets, and the differences that could have been seen."""
    constant = repeated(comparison.runs)
    return [
        {
            "name": problem.name,
            "figure": problem.figure,
            "validation": problem.validation,
            "greater": problem.greater,
            "worst": problem.worst,
            "target": problem.target,
            "targetSource": problem.target_source,
            "budget": problem.budget,
            "source": problem.source,
            "units": dict(problem.units),
            "constant": problem.name in constant,
            "visible": visible(comparison, problem),
        }
        for problem in comparison.problems
    ]


def visible(comparison: Comparison, problem: Problem) -> list[float | None] | None:
    """Return median, least and greatest of the pairs' smallest detectable differences; None without enough seeds.

    Pairs that differ by the same amount for all seeds are left out, since every difference would be seen.
    """
    sizes = [each.detectable for each in comparison.pairs if each.problem == problem.name]
    if not sizes or not np.isfinite(sizes).all():
        return None
    sizes = [size for size in sizes if size > 0] or [0.0]
    return rounded((np.median(sizes), min(sizes), max(sizes)), 2)


def standings(comparison: Comparison) -> list[list[dict[str, Any]]]:
    """Return the standings of each problem, best first, with the counted figure of each seed."""
    place = positions(comparison.entrants)
    values: dict[tuple[str, str], list[float]] = {}
    for problem, entrant, counted in _rows(comparison, "problem", "entrant", "counted"):
        values.setdefault((problem, entrant), []).append(counted)
    return [
        [
            {**_standing(each), "entrant": place[each.entrant], "values": rounded(values.get((name, each.entrant), []))}
            for each in comparison.standings
            if each.problem == name
        ]
        for name in (problem.name for problem in comparison.problems)
    ]


def _standing(standing: Standing) -> dict[str, Any]:
    summary = standing.summary
    figures = {name: getattr(summary, name) for name in ("mean", "deviation", "median", "middle", "low", "high")}
    return {
        "rank": standing.rank,
        "setting": ", ".join(f"{name}={value:.4g}" for name, value in standing.setting.items()),
        **{name: number(value, TABLE_DIGITS) for name, value in figures.items()},
        "seeds": summary.seeds,
        "difference": number(standing.difference, TABLE_DIGITS),
        "p": number(standing.p),
        "worse": standing.p <= LEVEL,
        "diverged": standing.diverged,
        "failed": standing.failed,
        "steps": number(standing.steps, TABLE_DIGITS),
        "evaluations": number(standing.evaluations, TABLE_DIGITS),
        "reach": reach(standing.steps_to_target),
        "stepSeconds": number(standing.step_seconds, TABLE_DIGITS),
        "notes": "; ".join(standing.notes),
    }


def reach(found: Reach | None) -> dict[str, Any] | None:
    """Return steps to a target as plain data, with None for infinite steps, or None without a target."""
    if found is None:
        return None
    return {
        **dict(zip(("median", "low", "high"), rounded((found.median, found.low, found.high)), strict=True)),
        "reached": found.reached,
    }


def groups(comparison: Comparison) -> list[list[list[int]]]:
    """Return each problem's groups of entrants that are not distinguishable."""
    place = positions(comparison.entrants)
    return [
        [[place[name] for name in group] for group in comparison.groups.get(problem.name, ())]
        for problem in comparison.problems
    ]


def pairs(comparison: Comparison) -> dict[str, Any]:
    """Return the pairs as columns, and how many there are in all."""
    place, problem = positions(comparison.entrants), positions([each.name for each in comparison.problems])
    listed = comparison.pairs
    if len(listed) > MOST_PAIRS:
        listed = tuple(sorted(listed, key=lambda pair: pair.p)[:MOST_PAIRS])
    return {
        "all": len(comparison.pairs),
        "problem": [problem[pair.problem] for pair in listed],
        "first": [place[pair.first] for pair in listed],
        "second": [place[pair.second] for pair in listed],
        "difference": rounded(pair.difference for pair in listed),
        "p": rounded(pair.p for pair in listed),
        "detectable": rounded(pair.detectable for pair in listed),
        "distinguishable": [int(pair.distinguishable) for pair in listed],
    }


def heat(comparison: Comparison) -> dict[str, Any] | str:
    """Return how good each entrant's mean is relative to the best on each problem, or why there is no heat map."""
    if len(comparison.entrants) < 2:
        return "One entrant: there is nothing to compare it with."
    place = positions(comparison.entrants)
    means = np.full((len(comparison.entrants), len(comparison.problems)), np.nan)
    for column, problem in enumerate(comparison.problems):
        for each in comparison.standings:
            if each.problem == problem.name:
                means[place[each.entrant], column] = each.summary.mean
    shares = [relative(column, problem) for column, problem in zip(means.T, comparison.problems, strict=True)]
    return {
        "means": [rounded(row) for row in means],
        "relative": [rounded(row, 4) for row in np.array([share for share, _ in shares]).T],
        "scaled": [int(scaled) for _, scaled in shares],
    }


def relative(means: np.ndarray, problem: Problem) -> tuple[np.ndarray, bool]:
    """Return means relative to the best, which is 1, and whether they were scaled from the worst (0) to the best.

    If all means are positive, it is the smaller of mean and best divided by the greater. Otherwise a ratio has no
    meaning, and means are scaled.
    """
    known = means[np.isfinite(means)]
    if not known.size:
        return means, False
    best, worst = (known.max(), known.min()) if problem.greater else (known.min(), known.max())
    if known.min() > 0:
        return (means / best if problem.greater else best / means), False
    if best == worst:
        return np.where(np.isfinite(means), 1.0, np.nan), True
    return (means - worst) / (best - worst), True


def _rows(comparison: Comparison, *columns: str) -> Sequence[tuple[Any, ...]]:
    runs = comparison.runs
    return list(zip(*(runs[name].tolist() for name in columns), strict=True)) if len(runs) else []
