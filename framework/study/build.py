"""The comparison of a study, from its runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from framework.config.resolved import RunConfig
from framework.runs import provenance
from framework.study.comparison import Comparison, Place, Problem
from framework.study.judge import Judge
from framework.study.outcome import Supplement, comparison_of
from framework.study.planes import planes
from framework.study.protocol import rules
from framework.study.run import Studied, configs_of
from framework.study.settings import Study
from framework.study.tables import curves_table, problem_of, runs_table, trials_table
from framework.sweeps.blocks import Failed
from framework.system.formatting import counted
from framework.training.step_time import SECONDS, step_seconds

TIMING_SECONDS = 10.0
"""Time for measuring the steps of all structures of a study, in seconds."""


def comparison_of_study(
    studied: Studied, settings: Study, seeds: Sequence[int], arguments: Sequence[str]
) -> Comparison:
    """Return the comparison of a study.

    Args:
        studied: its runs.
        settings: its settings.
        seeds: the reporting seeds.
        arguments: the overrides of its command.
    """
    problems = problems_of(configs_of(studied.contests), studied.judge)
    failed = {(run.problem, run.entrant) for run in studied.runs if isinstance(run.end, Failed)}
    whole = [contest for contest in studied.contests if contest.place not in failed]
    seconds = timed({contest.place: contest.config for contest in whole})
    paths, contours = planes(studied.runs)
    chosen = {place: search.best.values for place, search in studied.searches.items()}
    return comparison_of(
        runs_table(studied.runs, studied.judge),
        problems,
        list(dict.fromkeys(contest.entrant for contest in studied.contests)),
        Supplement(
            settings=chosen,
            notes={place: search.notes for place, search in studied.searches.items()},
            step_seconds=seconds,
            trials=trials_table(studied),
            curves=curves_table(studied.runs, seconds),
            paths=paths,
            contours=contours,
            protocol=rules(studied, settings, seeds, problems),
            about=about(arguments, _facts(studied, settings)),
            tuned=bool(studied.searches),
        ),
    )


def problems_of(configs: Mapping[str, Sequence[RunConfig]], judge: Judge) -> list[Problem]:
    """Return the description of each problem, from the configurations of its entrants."""
    return [problem_of(name, own, judge.scale(name)) for name, own in configs.items()]


def timed(configs: Mapping[Place, RunConfig]) -> dict[Place, float]:
    """Return the time of one step by problem and entrant, in seconds, measured alone."""
    limit = min(SECONDS, TIMING_SECONDS / max(1, len(configs)))
    return {place: step_seconds(config, limit) for place, config in configs.items()}


def about(arguments: Sequence[str], facts: Mapping[str, str]) -> dict[str, str]:
    """Return the command, facts of the comparison, and the environment, as text by name."""
    environment = dict(line.split(": ", 1) for line in provenance.environment().splitlines())
    return {"command": provenance.command(arguments, sweep=True), **facts, **environment}


def _facts(studied: Studied, settings: Study) -> dict[str, str]:
    tuning = sum(len(search.trials) for search in studied.searches.values()) * settings.tuning_seeds
    values = {name: value for name, value in settings.rows[0].items() if value is not None}
    return {
        "study": " ".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items()),
        "runs": f"{counted(tuning, 'tuning run')}, {counted(len(studied.runs), 'reporting run')}",
    }
