"""The trials of the tuning as plain data: budget curves, sensitivity and parallel coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from framework.reports.numbers import positions, rounded, thinned
from framework.study.comparison import Comparison, Problem
from framework.study.statistics import expected_best

if TYPE_CHECKING:
    import pandas

KEYS = ("problem", "entrant", "trial", "round", "figure", "loss", "diverged", "chosen")
MOST_COUNTS = 150
"""Most numbers of trials k for which the budget curve is computed."""
MOST_TRIALS = 40_000
"""Most trials on the page; of more, each entrant's best and an even selection by rank are shown."""


def tuning(comparison: Comparison) -> dict[str, Any] | str:
    """Return the trials of each problem and the tuning-budget curves, or why there are none."""
    trials = comparison.trials
    if not comparison.tuned or not len(trials):
        return "Nothing was tuned: each entrant has one setting."
    fields = [str(name) for name in trials.columns if name not in KEYS and trials[name].notna().any()]
    share = min(1.0, MOST_TRIALS / len(trials))
    found = [
        _problem(trials[trials["problem"] == problem.name], problem, comparison.entrants, fields, share)
        for problem in comparison.problems
    ]
    return {"fields": fields, "problems": found, "thinned": None if share == 1 else round(share, 3)}


def _problem(
    trials: pandas.DataFrame, problem: Problem, entrants: tuple[str, ...], fields: list[str], share: float
) -> dict[str, Any]:
    place, kept, budget = positions(entrants), [], []
    for entrant, own in trials.groupby("entrant", sort=False):
        scores = _scores(own["figure"].to_numpy(float), problem.greater)
        sign = 1 if problem.greater else -1
        if scores.size:
            counts = 1 + thinned(scores.size, MOST_COUNTS)
            best = rounded(sign * expected_best(scores, counts))
            budget.append({"entrant": place[str(entrant)], "trials": counts.tolist(), "best": best})
            kept.append(own.iloc[_selected(scores, own["chosen"].to_numpy(bool), share)])
    columns: dict[str, list[Any]] = {"entrant": [], "figure": [], "chosen": [], "round": [], "diverged": []}
    values: dict[str, list[Any]] = {name: [] for name in fields}
    for own in kept:
        columns["entrant"] += [place[name] for name in own["entrant"]]
        columns["figure"] += rounded(own["figure"])
        for name in ("chosen", "round", "diverged"):
            columns[name] += [int(value) for value in own[name]]
        for name in fields:
            values[name] += rounded(own[name])
    present = {name: column for name, column in values.items() if any(value is not None for value in column)}
    return {**columns, "fields": present, "budget": budget}


def _scores(figures: np.ndarray, greater: bool) -> np.ndarray:
    """Return figures as scores, greater ones better; those that are not finite count as the worst finite one."""
    scores = figures if greater else -figures
    finite = scores[np.isfinite(scores)]
    return np.where(np.isfinite(scores), scores, finite.min()) if finite.size else finite


def _selected(scores: np.ndarray, chosen: np.ndarray, share: float) -> np.ndarray:
    """Return the indices of the chosen trials and of a share of the others, evenly by rank, in their order."""
    if share == 1:
        return np.arange(len(scores))
    most = max(2, int(share * len(scores)))
    order = np.argsort(-scores, kind="stable")
    spaced = order[np.round(np.linspace(0, len(order) - 1, most)).astype(int)]
    return np.union1d(spaced, np.flatnonzero(chosen))
