"""The answer of a comparison in a sentence: who is best, and who is not distinguishable from whom."""

from __future__ import annotations

from framework.study.comparison import Comparison, Standing
from framework.study.statistics import LEVEL
from framework.sweeps.by_setting import Spread
from framework.sweeps.text import spread_text
from framework.system.formatting import counted, listed

MOST_OTHERS = 5
"""Largest number of entrants that the answer counts one by one."""


def verdict(found: Comparison) -> str:
    """Return the answer in one sentence; ``found.verdict`` is not read."""
    few = _too_few(found)
    if len(found.problems) == 1:
        return _on_one(found, few)
    return _over_all(found, few)


def _too_few(found: Comparison) -> str:
    """Return a clause if there are fewer paired seeds than differences need, else ""."""
    seeds = min(_paired_seeds(found, problem.name) for problem in found.problems)
    if len(found.entrants) < 2 or seeds >= found.seeds_needed:
        return ""
    shared = "" if seeds else " (the entrants share no seed)"
    return f"too few seeds to tell: {seeds}, and {found.seeds_needed} are needed{shared}"


def _paired_seeds(found: Comparison, problem: str) -> int:
    """Return the number of seeds that all entrants on a problem have."""
    own = found.runs[found.runs["problem"] == problem]
    seeds = [set(rows) for _, rows in own.groupby("entrant")["seed"]]
    return len(set.intersection(*seeds)) if seeds else 0


def _on_one(found: Comparison, few: str) -> str:
    problem = found.problems[0]
    if not found.standings:
        return f"No run on {problem.name} has a result."
    best, *others = found.standings
    scored = f"{problem.figure} {mean_text(best)} over {counted(best.summary.seeds, 'seed')}"
    if not others:
        return f"On {problem.name}, {best.entrant} has {scored}."
    if few:
        return f"On {problem.name}, {best.entrant} has the best mean ({scored}), but there are {few}."
    tied = [other.entrant for other in others if other.p > LEVEL]
    beaten = [other.entrant for other in others if other.p <= LEVEL]
    if not tied:
        return f"On {problem.name}, {best.entrant} is best: {scored}, distinguishably better than {listed(beaten)}."
    rest = f"; it is distinguishably better than {listed(beaten)}" if beaten else ""
    return (
        f"On {problem.name}, {best.entrant} has the best mean ({scored}), but is not distinguishable from "
        f"{listed(tied)}{rest}."
    )


def _over_all(found: Comparison, few: str) -> str:
    total = len(found.problems)
    first = {name: sum(s.rank == 1 for s in found.standings if s.entrant == name) for name in found.entrants}
    means = dict.fromkeys(found.entrants, 0)
    for problem in found.problems:
        own = [standing for standing in found.standings if standing.problem == problem.name]
        if own:
            means[own[0].entrant] += 1
    if few:
        top = max(means, key=lambda name: means[name])
        return f"{top} has the best mean on {means[top]} of {total} problems, but there are {few}."
    most = max(first.values())
    if min(first.values()) == total:
        return f"No two of the {len(found.entrants)} entrants are distinguishable on any of the {total} problems."
    winners = [name for name in found.entrants if first[name] == most]
    have = "is" if len(winners) == 1 else "are each"
    others = sorted((name for name in found.entrants if first[name] < most), key=lambda name: -first[name])
    rest = ", ".join(f"{name} on {first[name]}" for name in others)
    if len(others) > MOST_OTHERS:
        rest = f"the other {len(others)} on fewer"
    line = f"{listed(winners)} {have} not distinguishably worse than any other on {most} of {total} problems"
    return f"{line}; {rest}." if rest else f"{line}."


def mean_text(standing: Standing) -> str:
    """Return mean and standard deviation over the seeds, such as ``"0.9854 ± 0.0036"``."""
    summary = standing.summary
    return spread_text(Spread(summary.mean, summary.deviation if summary.seeds > 1 else None, summary.seeds))
