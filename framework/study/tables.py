"""The tables of a study: its reporting runs, its trials and the curves of its runs, as data frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas

from framework.config.settings import Goal
from framework.runs.content import JournalContent
from framework.runs.finished import Finished
from framework.runs.folder import begun_in
from framework.study.comparison import Problem
from framework.study.contest import Contest, Request
from framework.study.run import Place, Studied
from framework.study.scoring import Scale, figure_of
from framework.sweeps.blocks import Ended
from framework.sweeps.by_setting import FAILED
from framework.training.history import History

WITHOUT = ("lr", "time/seconds", "time/population_seconds")
"""Columns of a run's history that curves do not have."""


def problem_of(contest: Contest, scale: Scale) -> Problem:
    """Return the description of a contest's problem."""
    goal, settings = contest.config.section(Goal), contest.config.settings
    budget = f"{settings.epochs} epochs" if settings.steps is None else f"{settings.steps:,} steps"
    if settings.steps is None and settings.epochs is None:
        budget = f"{settings.max_seconds:g} seconds"
    return Problem(
        name=contest.problem,
        figure=scale.test,
        validation=scale.validation,
        greater=scale.greater,
        worst="the untrained model's" if scale.worst is None else f"{scale.worst:g}",
        target=goal.target,
        target_source=goal.target_source or "",
        budget=f"batch size {settings.batch_size}, {budget}",
        source=goal.problem_source or "",
    )


def runs_table(studied: Studied) -> pandas.DataFrame:
    """Return one row per reporting run, as `Comparison.runs`."""
    rows: list[dict[str, Any]] = []
    pairs = zip(studied.requests, studied.ends, strict=True)
    for contest, group in groupby(pairs, key=lambda pair: pair[0].contest):
        requests, ends = zip(*group, strict=True)
        scale, counted = studied.judge.scale(contest), studied.judge.counted(requests, ends, test=True)
        rows += [_run_row(*run, scale) for run in zip(requests, ends, counted, strict=True)]
    return pandas.DataFrame(rows)


def _run_row(request: Request, end: Ended, counted: float, scale: Scale) -> dict[str, Any]:
    return {
        "problem": request.contest.problem,
        "entrant": request.contest.entrant,
        "seed": request.seed,
        "ended": end.ended if isinstance(end, Finished) else FAILED,
        "value": figure_of(end, scale.test),
        "counted": counted,
        "steps_to_target": _steps(request.contest, end, scale),
        **_work(end),
    }


def _work(end: Ended) -> dict[str, Any]:
    if not isinstance(end, Finished):
        return {"steps": 0, "evaluations": 0, "seconds": math.nan, "folder": "", "reused": False}
    work = {"steps": end.steps, "evaluations": end.steps, "seconds": end.seconds}
    return {**work, "folder": end.folder, "reused": end.reused}


def _steps(contest: Contest, end: Ended, scale: Scale) -> float:
    target = contest.config.section(Goal).target
    if target is None:
        return math.nan
    if not isinstance(end, Finished):
        return math.inf
    return math.inf  # TEMP


def history_of(end: Finished) -> History:
    """Return a finished run's history, from its journal."""
    return JournalContent.of(begun_in(Path(end.folder))).history


def trials_table(studied: Studied) -> pandas.DataFrame:
    """Return one row per trial, as `Comparison.trials`."""
    return pandas.DataFrame(
        [
            {
                "problem": problem,
                "entrant": entrant,
                "trial": number,
                "round": trial.round,
                **trial.values,
                "figure": trial.figure,
                "loss": trial.loss,
                "diverged": trial.diverged,
                "chosen": trial is search.best,
            }
            for (problem, entrant), search in studied.searches.items()
            for number, trial in enumerate(search.trials)
        ]
    )


def curves_table(runs: Iterable[tuple[Place, int, Finished]], step_seconds: Mapping[Place, float]) -> pandas.DataFrame:
    """Return one row per run and epoch, as `Comparison.curves`.

    Args:
        runs: place, seed and result of each run that has a journal.
        step_seconds: time of one step by place.
    """
    rows = []
    for place, seed, end in runs:
        problem, entrant = place
        for row in history_of(end):
            figures = {name: value for name, value in row.items() if name not in WITHOUT}
            seconds = row["step"] * step_seconds.get(place, math.nan)
            rows.append({"problem": problem, "entrant": entrant, "seed": seed, **figures, "seconds": seconds})
    return pandas.DataFrame(rows)


def finished_runs(studied: Studied) -> list[tuple[Place, int, Finished]]:
    """Return place, seed and result of the reporting runs that did not fail."""
    pairs: Sequence[tuple[Request, Ended]] = list(zip(studied.requests, studied.ends, strict=True))
    return [(request.contest.place, request.seed, end) for request, end in pairs if isinstance(end, Finished)]
