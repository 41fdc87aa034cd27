"""The comparison of a study, from its runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from framework.runs import provenance
from framework.study.comparison import Comparison
from framework.study.outcome import Place, Supplement, comparison_of
from framework.study.protocol import rules
from framework.study.run import Studied
from framework.study.settings import Study
from framework.study.tables import curves_table, finished_runs, problem_of, runs_table, trials_table
from framework.system.formatting import counted

TIMING_SECONDS = 10.0
"""Time for measuring the steps of all structures of a study, in seconds; each takes at most `MOST_EACH`."""

MOST_EACH = 0.25


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
    scales = {contest.place: studied.judge.scale(contest) for contest in studied.contests}
    by_name = {contest.problem: problem_of(contest, scales[contest.place]) for contest in studied.contests}
    timed = _timed(studied)
    chosen = {place: search.best.values for place, search in studied.searches.items()}
    return comparison_of(
        runs_table(studied),
        list(by_name.values()),
        list(dict.fromkeys(contest.entrant for contest in studied.contests)),
        Supplement(
            settings=chosen,
            notes={place: search.notes for place, search in studied.searches.items()},
            step_seconds=timed,
            trials=trials_table(studied),
            curves=curves_table(finished_runs(studied), timed),
            protocol=rules(studied, settings, seeds, list(by_name.values())),
            about=about(arguments, studied, settings),
            tuned=bool(studied.searches),
        ),
    )


def _timed(studied: Studied) -> dict[Place, float]:
    """Return the time of one step of each contest, measured alone."""
    each = min(MOST_EACH, TIMING_SECONDS / len(studied.contests))
    return {contest.place: each for contest in studied.contests}  # TEMP


def about(arguments: Sequence[str], studied: Studied, settings: Study) -> dict[str, Any]:
    """Return the command, the study's settings, the numbers of runs, and the environment, as text by name."""
    tuning = sum(len(search.trials) for search in studied.searches.values()) * settings.tuning_seeds
    facts = dict(line.split(": ", 1) for line in provenance.environment().splitlines())
    values = {name: value for name, value in settings.rows[0].items() if value is not None}
    return {
        "command": provenance.command(arguments, sweep=True),
        "study": " ".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items()),
        "runs": f"{counted(tuning, 'tuning run')}, {counted(len(studied.requests), 'reporting run')}",
        **facts,
    }
