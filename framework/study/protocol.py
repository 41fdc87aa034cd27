"""The rules of a study, one sentence each, with its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from framework.study.comparison import Problem
from framework.study.contest import Contest, tuning_seeds
from framework.study.run import Studied
from framework.study.settings import Study
from framework.study.statistics import EXACT, LEVEL
from framework.system.formatting import counted, listed

TUNERS = {
    "sobol": "of a scrambled Sobol sequence",
    "grid": "of an even grid",
    "tpe": "of Optuna's tree-structured Parzen estimator",
}


def rules(studied: Studied, settings: Study, seeds: Sequence[int], problems: Sequence[Problem]) -> list[str]:
    """Return the rules by which a study was made.

    Args:
        studied: its runs.
        settings: its settings.
        seeds: the reporting seeds.
        problems: its problems.
    """
    lines = _tuning(studied, settings) if studied.searches else ["Nothing was tuned: every entrant has its defaults."]
    lines += [
        f"Each chosen setting was trained with {counted(len(seeds), 'seed')} ({_span(seeds)})"
        + (" that no tuning run had." if studied.searches else "."),
        "Test figures were read from these runs only.",
    ]
    return [*lines, *measured(problems)]


def measured(problems: Sequence[Problem], *, timed: bool = True) -> list[str]:
    """Return the rules by which runs of any origin are compared.

    Args:
        problems: the problems.
        timed: whether the time of a step was measured.
    """
    return [
        "A seed has the same initial weights, data order and noise for every entrant: differences are paired by seed.",
        *(_worst(problem) for problem in problems),
        "Every entrant has the budget that its problem states; gradient evaluations within a step are counted.",
        *(["Seconds are steps times the time of a step that was measured alone."] if timed else []),
        *(line for problem in problems if (line := _target(problem))),
        "Two entrants are distinguishable on a problem if the sign-flip permutation test of their paired differences "
        f"(exact up to {EXACT} seeds), with Holm's correction over all pairs on all problems, gives p <= {LEVEL:g}.",
        "Claims are about the chosen settings on this split of the data.",
    ]


def _tuning(studied: Studied, settings: Study) -> list[str]:
    tries = f"{counted(settings.trials, 'trial')} {TUNERS[settings.tuner]}"
    lines = [
        f"Each entrant got {tries} on each problem, with {counted(settings.tuning_seeds, 'seed')} each "
        f"({_span(tuning_seeds(settings))}).",
        "The trial with the best validation figure of the kept model, averaged over these seeds, was chosen; of equal "
        "ones, that with the lowest validation loss.",
        "Tuning runs evaluated no test set.",
        _extension(settings),
        *_spaces(studied.contests),
    ]
    fixed = sorted({c.entrant for c in studied.contests if not c.axes})
    if fixed:
        lines.append(f"Not tuned: {listed(fixed, most=20)}.")
    return lines


def _extension(settings: Study) -> str:
    if not settings.extensions:
        return "Ranges were not extended."
    return (
        f"A best value in the outer 1/{settings.trials} of its range extended the range by a decade and spent the "
        f"whole budget again, at most {('once', 'twice')[settings.extensions - 1]}."
    )


def _spaces(contests: Sequence[Contest]) -> list[str]:
    """Return one sentence per search space, with the entrants that have it."""
    by_space: dict[str, list[str]] = {}
    for contest in contests:
        if contest.axes:
            entrants = by_space.setdefault("; ".join(axis.text() for axis in contest.axes), [])
            if contest.entrant not in entrants:
                entrants.append(contest.entrant)
    return [f"Search space of {listed(entrants, most=20)}: {space}." for space, entrants in by_space.items()]


def _span(seeds: Sequence[int]) -> str:
    return f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _worst(problem: Problem) -> str:
    metric = problem.figure.rpartition("/")[2]
    if problem.worst == "the untrained model's":
        return (
            f"On {problem.name}, {metric} is capped at the untrained model's; a run that diverged or failed counts "
            "with it."
        )
    return f"On {problem.name}, a run that diverged or failed counts with {metric} {problem.worst}."


def _target(problem: Problem) -> str:
    if problem.target is None:
        return ""
    source = f" ({problem.target_source})" if problem.target_source else ""
    return f"The target on {problem.name} is {problem.validation} {problem.target:g}{source}."
