"""The comparison of a plain sweep: the best setting of each optimizer, or all settings of one optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.study.build import about, problems_of
from framework.study.comparison import Comparison, Place
from framework.study.judge import Judge, Ran, validation_losses
from framework.study.outcome import Supplement, comparison_of
from framework.study.planes import planes
from framework.study.protocol import measured
from framework.study.scoring import lost
from framework.study.search import mean_loss
from framework.study.tables import curves_table, runs_table
from framework.sweeps.blocks import Ended
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import Table, problems, shared_words, tables, without

if TYPE_CHECKING:
    import pandas

CHOSEN = (
    "The setting of each entrant is the one with the best mean validation figure over the same seeds that are reported "
    "here, so that an optimizer with more settings has an advantage: a study (compare) tunes on other seeds."
)
GIVEN = "Every setting was given by the user; nothing was chosen."

MOST = 20
"""Largest number of settings of one optimizer that are compared: those with the best validation figures."""
BEST = (
    f"Of the settings of one optimizer, the {MOST} with the best mean validation figure over the same seeds are "
    "compared."
)


@dataclass(frozen=True)
class Tried:
    """All runs of one setting on one problem.

    Attributes:
        entrant: the name under which they are compared.
        values: the numeric fields of the optimizer.
        runs: the runs.
    """

    entrant: str
    values: Mapping[str, float]
    runs: tuple[Ran, ...]


def comparison_of_sweep(jobs: Sequence[Job], ended: Mapping[int, Ended], arguments: Sequence[str]) -> Comparison | None:
    """Return the comparison of a sweep, or None if none of its runs has finished.

    Args:
        jobs: its jobs.
        ended: the results of those that ended, by number.
        arguments: the overrides of its command.
    """
    with_result = [job for job in jobs if job.number in ended]
    found = tables(with_result, [ended[job.number] for job in with_result])
    found = [table for table in found if table.runs]
    if not found:
        return None
    one = len({job.config.optimizer.name for job in with_result}) == 1
    members = _members(with_result)
    tried = {table.problem: _tried(table, members, ended, one=one) for table in found}
    chosen = {name: _best(settings) for name, settings in tried.items()}
    runs = [run for by_entrant in chosen.values() for each in by_entrant.values() for run in each.runs]
    several = any(len(settings) > len(chosen[name]) for name, settings in tried.items())
    rule = CHOSEN if several else BEST if one and any(len(table.settings) > MOST for table in found) else GIVEN
    configs = {name: [each.runs[0].config for each in by.values()] for name, by in chosen.items()}
    judge = Judge(configs)
    described = problems_of(configs, judge)
    paths, contours = planes(runs)
    return comparison_of(
        runs_table(runs, judge),
        described,
        list(dict.fromkeys(run.entrant for run in runs)),
        Supplement(
            settings=_settings(tried, chosen) if several else {},
            trials=_trials(tried, chosen, judge) if several else None,
            curves=curves_table(runs, {}),
            paths=paths,
            contours=contours,
            protocol=[rule, *measured(described, timed=False)],
            about=about(arguments, {"runs": f"{len(with_result):,}"}),
            tuned=several,
        ),
    )


def _members(jobs: Sequence[Job]) -> dict[tuple[str, str], list[Job]]:
    """Return the jobs of each problem and setting."""
    found: dict[tuple[str, str], list[Job]] = {}
    for job, problem in zip(jobs, problems(jobs), strict=True):
        found.setdefault((problem, job.setting), []).append(job)
    return found


def _tried(
    table: Table, members: Mapping[tuple[str, str], Sequence[Job]], ended: Mapping[int, Ended], *, one: bool
) -> list[Tried]:
    """Return the settings of a table with their runs, best first.

    Args:
        table: the table.
        members: the jobs by problem and setting.
        ended: their results by number.
        one: whether the sweep has one optimizer: its settings are the entrants then, at most `MOST`; otherwise the
            optimizers are.
    """
    shared = shared_words(setting.name for setting in table.settings)
    names = [name for setting in table.settings for name in (setting.name, *setting.equal)]
    found = []
    for name in names[: MOST if one else None]:
        jobs = members[table.problem, name]
        optimizer = jobs[0].config.optimizer
        entrant = without(shared, name) if one else optimizer.name
        values = {key: value for key, value in optimizer.fields.items() if optimizer.cls.fields[key].column}
        runs = [Ran(table.problem, entrant, job.config, ended[job.number]) for job in jobs]
        found.append(Tried(entrant, values, tuple(runs)))
    return found


def _best(tried: Iterable[Tried]) -> dict[str, Tried]:
    best: dict[str, Tried] = {}
    for each in tried:
        best.setdefault(each.entrant, each)
    return best


def _settings(
    tried: Mapping[str, Sequence[Tried]], chosen: Mapping[str, Mapping[str, Tried]]
) -> dict[Place, Mapping[str, float]]:
    """Return the fields that vary between the settings of each chosen one's optimizer, else its learning rate."""
    found: dict[Place, Mapping[str, float]] = {}
    for problem, by in chosen.items():
        varied = _varied(tried[problem])
        for name, each in by.items():
            shown = varied[name] or ["lr"]
            found[problem, name] = {field: value for field, value in each.values.items() if field in shown}
    return found


def _trials(
    tried: Mapping[str, Sequence[Tried]], chosen: Mapping[str, Mapping[str, Tried]], judge: Judge
) -> pandas.DataFrame:
    """Return one row per setting, as `Comparison.trials`, with the fields that vary between an optimizer's settings."""
    import pandas

    rows: list[dict[str, Any]] = []
    for problem, settings in tried.items():
        numbers, varied = Counter[str](), _varied(settings)
        for each in settings:
            figures = judge.counted(each.runs, test=False)
            rows.append(
                {
                    "problem": problem,
                    "entrant": each.entrant,
                    "trial": numbers[each.entrant],
                    "round": 0,
                    **{field: each.values[field] for field in varied[each.entrant]},
                    "figure": sum(figures) / len(figures),
                    "loss": mean_loss(validation_losses(each.runs)),
                    "diverged": sum(lost(run.end) for run in each.runs),
                    "chosen": chosen[problem][each.entrant] is each,
                }
            )
            numbers[each.entrant] += 1
    return pandas.DataFrame(rows)


def _varied(settings: Iterable[Tried]) -> dict[str, list[str]]:
    """Return the fields that vary between the settings of each entrant."""
    values: dict[str, dict[str, set[float]]] = {}
    for each in settings:
        own = values.setdefault(each.entrant, {})
        for field, value in each.values.items():
            own.setdefault(field, set()).add(value)
    return {name: [field for field, held in own.items() if len(held) > 1] for name, own in values.items()}
