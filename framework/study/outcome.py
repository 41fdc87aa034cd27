"""From the runs of several entrants to their comparison: summaries, tests, ranks and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.study.comparison import Comparison, Place, Problem, Reach, Standing
from framework.study.statistics import Pair, Summary, compared, groups, ranks, reach, seeds_to_tell
from framework.study.verdict import verdict
from framework.sweeps.by_setting import DIVERGED, FAILED

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Supplement:
    """What is known of a comparison besides its runs; attributes as in `Comparison` and `Standing`.

    Attributes:
        settings: the chosen values of the tuned fields.
        notes: remarks.
        step_seconds: time of one step.
    """

    settings: Mapping[Place, Mapping[str, float]] = field(default_factory=dict)
    notes: Mapping[Place, Sequence[str]] = field(default_factory=dict)
    step_seconds: Mapping[Place, float] = field(default_factory=dict)
    trials: pandas.DataFrame | None = None
    curves: pandas.DataFrame | None = None
    paths: pandas.DataFrame | None = None
    contours: pandas.DataFrame | None = None
    protocol: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    tuned: bool = False


def comparison_of(
    runs: pandas.DataFrame, problems: Sequence[Problem], entrants: Sequence[str], more: Supplement
) -> Comparison:
    """Return the comparison of entrants by their runs.

    Runs are paired by their seeds: on each problem, only seeds that all of its entrants have order and test them. Of
    several runs with equal problem, entrant and seed, the last counts.

    Args:
        runs: as `Comparison.runs`.
        problems: the problems, in order.
        entrants: the entrants, in order.
        more: what else is known.
    """
    import pandas

    runs = runs.drop_duplicates(["problem", "entrant", "seed"], keep="last")
    scores = {problem.name: _scores(runs, problem, entrants) for problem in problems}
    paired = {name: _paired(by) for name, by in scores.items()}
    pairs = compared(paired)
    of_problem = {problem.name: list[Pair]() for problem in problems}
    for pair in pairs:
        of_problem[pair.problem].append(pair)
    standings, grouped = list[Standing](), dict[str, tuple[tuple[str, ...], ...]]()
    for problem in problems:
        own = of_problem[problem.name]
        order, tell = _order(paired[problem.name] or scores[problem.name]), _telling(own)
        against = _against(own, order)
        grouped[problem.name] = tuple(groups(order, tell))
        seeds = min(map(len, paired[problem.name].values()), default=0)
        for entrant, rank in ranks(order, tell).items():
            standing = _standing(runs, problem, entrant, rank, against.get(entrant), more)
            standings.append(_noted(standing, seeds))
    empty = pandas.DataFrame()
    found = Comparison(
        title=_title(entrants, problems),
        verdict="",
        problems=tuple(problems),
        entrants=tuple(entrants),
        standings=tuple(standings),
        pairs=tuple(_own_direction(problem, pair) for problem in problems for pair in of_problem[problem.name]),
        groups=grouped,
        runs=runs,
        trials=empty if more.trials is None else more.trials,
        curves=empty if more.curves is None else more.curves,
        paths=empty if more.paths is None else more.paths,
        contours=empty if more.contours is None else more.contours,
        protocol=(*more.protocol, *(_constant(name) for name in repeated(runs))),
        about=more.about,
        tuned=more.tuned,
        seeds_needed=seeds_to_tell(len(entrants), len(problems)),
    )
    return replace(found, verdict=verdict(found))


def repeated(runs: pandas.DataFrame) -> list[str]:
    """Return the problems on which all seeds, at least two, gave the same figure for every entrant, as without noise.

    Args:
        runs: as `Comparison.runs`.
    """
    if not len(runs):
        return []
    seeds = runs.groupby(["problem", "entrant"], sort=False)["counted"].agg(["nunique", "size"])
    same = ((seeds["nunique"] == 1) & (seeds["size"] > 1)).groupby(level="problem", sort=False).all()
    return [str(name) for name in same.index[same]]


def _constant(problem: str) -> str:
    return f"On {problem}, every seed gave the same figure for every entrant: its p-values do not measure chance."


def _title(entrants: Sequence[str], problems: Sequence[Problem]) -> str:
    named = ", ".join(entrants) if len(entrants) <= 6 else f"{len(entrants)} optimizers"
    where = ", ".join(problem.name for problem in problems) if len(problems) <= 4 else f"{len(problems)} problems"
    return f"{named} on {where}"


def _scores(runs: pandas.DataFrame, problem: Problem, entrants: Sequence[str]) -> dict[str, pandas.Series]:
    """Return each entrant's scores by seed: the counted figures, with a sign that makes greater better."""
    own = runs[runs["problem"] == problem.name]
    sign = 1.0 if problem.greater else -1.0
    found = {}
    for entrant in entrants:
        rows = own[own["entrant"] == entrant].set_index("seed").sort_index()
        if len(rows):
            found[entrant] = sign * rows["counted"].astype(np.float64)
    return found


def _paired(scores: Mapping[str, pandas.Series]) -> dict[str, np.ndarray]:
    """Return the scores of the seeds that all entrants have; no entrants if there is no such seed."""
    shared = sorted(set.intersection(*(set(each.index) for each in scores.values()))) if scores else []
    return {name: each.loc[shared].to_numpy() for name, each in scores.items()} if shared else {}


def _order(scores: Mapping[str, pandas.Series | np.ndarray]) -> list[str]:
    return sorted(scores, key=lambda name: -float(scores[name].mean()))


def _telling(pairs: Sequence[Pair]) -> Callable[[str, str], bool]:
    told = {frozenset((pair.first, pair.second)) for pair in pairs if pair.distinguishable}
    return lambda a, b: frozenset((a, b)) in told


def _against(pairs: Sequence[Pair], order: Sequence[str]) -> dict[str, Pair]:
    """Return the comparisons with the best entrant by the other one; none without shared seeds."""
    with_best = [pair for pair in pairs if order[0] in (pair.first, pair.second)]
    return {pair.second if pair.first == order[0] else pair.first: pair for pair in with_best}


def _standing(
    runs: pandas.DataFrame, problem: Problem, entrant: str, rank: int, pair: Pair | None, more: Supplement
) -> Standing:
    own = runs[(runs["problem"] == problem.name) & (runs["entrant"] == entrant)]
    place = (problem.name, entrant)
    trained = own[own["ended"] != FAILED]
    away = 0.0 if pair is None else -abs(pair.difference)
    return Standing(
        problem=problem.name,
        entrant=entrant,
        rank=rank,
        setting=more.settings.get(place, {}),
        summary=Summary.of(own["counted"].to_numpy(np.float64)),
        difference=away if problem.greater else -away,
        p=1.0 if pair is None else pair.p,
        diverged=int((own["ended"] == DIVERGED).sum()),
        failed=int((own["ended"] == FAILED).sum()),
        steps=float(trained["steps"].mean()) if len(trained) else math.nan,
        evaluations=float(trained["evaluations"].mean()) if len(trained) else math.nan,
        steps_to_target=_reach(own, problem),
        step_seconds=more.step_seconds.get(place, math.nan),
        notes=tuple(more.notes.get(place, ())),
    )


def _noted(standing: Standing, seeds: int) -> Standing:
    """Return a standing with a remark if it has more than the ``seeds`` that all entrants have."""
    if not 0 < seeds < standing.summary.seeds:
        return standing
    note = f"of its {standing.summary.seeds} seeds, rank and difference count the {seeds} that all entrants have"
    return replace(standing, notes=(*standing.notes, note))


def _reach(own: pandas.DataFrame, problem: Problem) -> Reach | None:
    if problem.target is None:
        return None
    return Reach(*reach(own["steps_to_target"].to_numpy(np.float64)))


def _own_direction(problem: Problem, pair: Pair) -> Pair:
    return pair if problem.greater else replace(pair, difference=-pair.difference)
