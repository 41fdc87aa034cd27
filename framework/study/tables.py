"""The tables of a study: its reporting runs, its trials and the curves of its runs, as data frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config.resolved import RunConfig
from framework.config.settings import Goal
from framework.runs.content import JournalContent
from framework.runs.finished import Finished
from framework.runs.folder import begun_in
from framework.study.comparison import Place, Problem
from framework.study.judge import Judge, Ran
from framework.study.run import Studied
from framework.study.scoring import Scale, figure_of
from framework.sweeps.blocks import Ended
from framework.sweeps.by_setting import FAILED
from framework.training.history import History, steps_to_target

if TYPE_CHECKING:
    import pandas

WITHOUT = ("lr", "time/seconds", "time/population_seconds")
"""Columns of a run's history that curves do not have."""


def problem_of(name: str, configs: Sequence[RunConfig], scale: Scale) -> Problem:
    """Return the description of a problem.

    Args:
        name: its name.
        configs: the configurations of its entrants; apart from the budget the first describes it.
        scale: the figure that counts on it.
    """
    goal = configs[0].section(Goal)
    units = {metric.name: metric.part.cls.unit for metric in configs[0].metrics}
    units["loss"] = configs[0].parts["loss"].cls.unit
    return Problem(
        name=name,
        figure=scale.test,
        validation=scale.validation,
        greater=scale.greater,
        worst="the untrained model's" if scale.worst is None else f"{scale.worst:g}",
        target=goal.target,
        target_source=goal.target_source or "",
        budget="; or ".join(dict.fromkeys(map(_budget, configs))),
        source=goal.problem_source or "",
        units={metric: unit for metric, unit in units.items() if unit},
    )


def _budget(config: RunConfig) -> str:
    settings = config.settings
    budget = f"{settings.epochs} epochs" if settings.steps is None else f"{settings.steps:,} steps"
    if settings.steps is None and settings.epochs is None:
        budget = f"{settings.max_seconds:g} seconds"
    return f"batch size {settings.batch_size}, {budget}"


def runs_table(runs: Sequence[Ran], judge: Judge) -> pandas.DataFrame:
    """Return one row per run, as `Comparison.runs`."""
    import pandas

    rows: list[dict[str, Any]] = []
    for problem, group in groupby(sorted(runs, key=lambda run: run.problem), key=lambda run: run.problem):
        own = list(group)
        counted = judge.counted(own, test=True)
        rows += [_run_row(run, value, judge.scale(problem)) for run, value in zip(own, counted, strict=True)]
    return pandas.DataFrame(rows)


def _run_row(run: Ran, counted: float, scale: Scale) -> dict[str, Any]:
    return {
        "problem": run.problem,
        "entrant": run.entrant,
        "seed": run.seed,
        "ended": run.end.ended if isinstance(run.end, Finished) else FAILED,
        "value": figure_of(run.end, scale.test),
        "counted": counted,
        "steps_to_target": _steps(run, scale),
        **_work(run.end),
    }


def _work(end: Ended) -> dict[str, Any]:
    if not isinstance(end, Finished):
        return {"steps": 0, "evaluations": 0, "seconds": math.nan, "folder": "", "reused": False}
    work = {"steps": end.steps, "evaluations": end.evaluations, "seconds": end.seconds}
    return {**work, "folder": end.folder, "reused": end.reused}


def _steps(run: Ran, scale: Scale) -> float:
    target = run.config.section(Goal).target
    if target is None:
        return math.nan
    if not isinstance(run.end, Finished):
        return math.inf
    return steps_to_target(history_of(run.end), scale.validation, target, greater=scale.greater)


def history_of(end: Finished) -> History:
    """Return a finished run's history, from its journal."""
    return JournalContent.of(begun_in(Path(end.folder))).history


def trials_table(studied: Studied) -> pandas.DataFrame:
    """Return one row per trial, as `Comparison.trials`."""
    import pandas

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


def curves_table(runs: Iterable[Ran], step_seconds: Mapping[Place, float]) -> pandas.DataFrame:
    """Return one row per epoch of the runs that did not fail, as `Comparison.curves`.

    Args:
        runs: the runs.
        step_seconds: time of one step by problem and entrant.
    """
    import pandas

    rows = []
    for run in runs:
        if isinstance(run.end, Finished):
            own = {"problem": run.problem, "entrant": run.entrant, "seed": run.seed}
            each = step_seconds.get((run.problem, run.entrant), math.nan)
            for row in history_of(run.end):
                figures = {name: value for name, value in row.items() if name not in WITHOUT}
                rows.append({**own, **figures, "seconds": row["step"] * each})
    return pandas.DataFrame(rows)
