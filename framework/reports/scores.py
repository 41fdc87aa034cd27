"""Scores over several problems as plain data: performance profile, mean ranks, probability of improvement."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.reports.numbers import number, positions, rounded
from framework.study.comparison import Comparison
from framework.study.statistics import (
    critical_difference,
    groups,
    mean_ranks,
    performance_profile,
    probability_of_improvement,
    profile_score,
    ratios_to_best,
    speed_up,
)

LIMIT = 4.0
"""Largest factor of the best time in the performance profile and its score."""
RANKED = 5
"""Fewest problems for a rank diagram."""


def profile(comparison: Comparison) -> dict[str, Any] | str:
    """Return the performance profiles by steps, and by seconds where they are known, or why there are none."""
    names = [problem.name for problem in comparison.problems if problem.target is not None]
    reaches = {
        (each.problem, each.entrant): (each.steps_to_target.median, each.step_seconds)
        for each in comparison.standings
        if each.steps_to_target is not None
    }
    names = [name for name in names if all((name, entrant) in reaches for entrant in comparison.entrants)]
    if not names:
        return "No problem has a target that all entrants were measured against."
    if len(comparison.entrants) < 2:
        return "One entrant: there is nothing to compare it with."
    grid = np.array([[reaches[name, entrant] for name in names] for entrant in comparison.entrants])
    steps, seconds = grid[..., 0], grid[..., 1]
    return {
        "problems": names,
        "steps": _profile(steps),
        "seconds": _profile(steps * seconds) if np.isfinite(seconds).all() else None,
        "speedUps": {
            "steps": speed_ups(steps),
            "seconds": speed_ups(steps * seconds) if np.isfinite(seconds).all() else None,
        },
    }


def _profile(times: np.ndarray) -> list[dict[str, Any]]:
    """Return each entrant's profile at the factors at which it changes, with its score and number of solved problems.

    Args:
        times: ``(entrants, problems)``, infinite for a miss.
    """
    ratios = ratios_to_best(times)
    found = []
    scores = profile_score(times, LIMIT)
    for row, score in enumerate(scores):
        factors = np.unique([1.0, LIMIT, *ratios[row][ratios[row] <= LIMIT]])
        shares = performance_profile(times, factors)[row]
        found.append(
            {
                "entrant": row,
                "factors": rounded(factors),
                "shares": rounded(shares),
                "score": number(float(score)),
                "solved": int(np.isfinite(times[row]).sum()),
            }
        )
    return found


def speed_ups(times: np.ndarray) -> dict[str, Any] | str:
    """Return the speed-up of each row's entrant over each column's with its number of problems, or why there is none.

    Args:
        times: ``(entrants, problems)``, infinite for a miss.
    """
    found = [[speed_up(row, column) for column in times] for row in times]
    if not any(problems for at, row in enumerate(found) for _, problems in row[at + 1 :]):
        return "No two entrants reached the target of the same problem: there are no speed-ups."
    return {
        "means": [rounded((mean for mean, _ in row), 3) for row in found],
        "problems": [[problems for _, problems in row] for row in found],
    }


def mean_rank_diagram(comparison: Comparison) -> dict[str, Any] | str:
    """Return mean ranks, their critical difference and the groups within it, or why there are none."""
    means = _means(comparison)
    complete = np.isfinite(means).all(axis=0)
    entrants, problems = len(comparison.entrants), int(complete.sum())
    if entrants < 2:
        return "One entrant: there is nothing to compare it with."
    if problems < RANKED:
        return f"Mean ranks need at least {RANKED} problems on which all entrants ran; this comparison has {problems}."
    ranks = mean_ranks(means[:, complete])
    difference = critical_difference(entrants, problems)
    by_name = dict(zip(comparison.entrants, ranks.tolist(), strict=True))
    order = sorted(comparison.entrants, key=by_name.__getitem__)
    place = positions(comparison.entrants)
    alike = groups(order, lambda first, second: abs(by_name[first] - by_name[second]) >= difference)
    return {
        "ranks": rounded(ranks),
        "difference": number(difference),
        "problems": problems,
        "order": [place[name] for name in order],
        "groups": [[place[name] for name in group] for group in alike],
    }


def _means(comparison: Comparison) -> np.ndarray:
    """Return the mean scores ``(entrants, problems)``, greater is better, NaN for missing ones."""
    row = positions(comparison.entrants)
    means = np.full((len(comparison.entrants), len(comparison.problems)), np.nan)
    for column, problem in enumerate(comparison.problems):
        for each in comparison.standings:
            if each.problem == problem.name:
                means[row[each.entrant], column] = each.summary.mean * (1 if problem.greater else -1)
    return means


def improvement(comparison: Comparison) -> dict[str, Any] | str:
    """Return the probability that a run of one entrant is better than a run of another, or why there is none."""
    if len(comparison.entrants) < 2:
        return "One entrant: there is nothing to compare it with."
    signs = {problem.name: 1 if problem.greater else -1 for problem in comparison.problems}
    scores = {
        (str(problem), str(entrant)): signs[str(problem)] * own["counted"].to_numpy(float)
        for (problem, entrant), own in comparison.runs.groupby(["problem", "entrant"], sort=False)
    }
    if any((name, entrant) not in scores for name in signs for entrant in comparison.entrants):
        return "Not all entrants ran on all problems."
    columns = [[scores[name, entrant] for name in signs] for entrant in comparison.entrants]
    return {
        "chances": [[None if a is b else number(probability_of_improvement(a, b), 3) for b in columns] for a in columns]
    }
