"""The comparison of a plain sweep: the best setting of each optimizer, or all settings of one optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.study.build import about, problems_of
from framework.study.comparison import Comparison
from framework.study.judge import Judge, Ran, validation_losses
from framework.study.outcome import Place, Supplement, comparison_of
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
    judge = Judge()
    tried = {table.problem: _tried(table, with_result, ended) for table in found}
    chosen = {name: _best(found_on) for name, found_on in tried.items()}
    runs = [run for by_entrant in chosen.values() for each in by_entrant.values() for run in each.runs]
    several = any(len(all_tried) > len(chosen[name]) for name, all_tried in tried.items())
    configs = {table.problem: [run.config for run in runs if run.problem == table.problem] for table in found}
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
            protocol=[CHOSEN if several else GIVEN, *measured(described, timed=False)],
            about=about(arguments, {"runs": f"{len(with_result):,}"}),
            tuned=several,
        ),
    )


def _tried(table: Table, jobs: Sequence[Job], ended: Mapping[int, Ended]) -> list[Tried]:
    """Return the settings of a table with their runs, best first; entrants are optimizers if there are several."""
    named = problems(jobs)
    own = [job for job, problem in zip(jobs, named, strict=True) if problem == table.problem]
    optimizers = {job.config.optimizer.name for job in own}
    shared = shared_words(setting.name for setting in table.settings)
    found = []
    for name in [each for setting in table.settings for each in (setting.name, *setting.equal)]:
        members = [job for job in own if job.setting == name]
        optimizer = members[0].config.optimizer
        entrant = optimizer.name if len(optimizers) > 1 else without(shared, name)
        values = {key: value for key, value in optimizer.fields.items() if optimizer.cls.fields[key].column}
        runs = [Ran(table.problem, entrant, job.config, ended[job.number]) for job in members]
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
    return {
        (problem, name): _changing(each, tried[problem]) or {k: v for k, v in each.values.items() if k == "lr"}
        for problem, by in chosen.items()
        for name, each in by.items()
    }


def _trials(
    tried: Mapping[str, Sequence[Tried]], chosen: Mapping[str, Mapping[str, Tried]], judge: Judge
) -> pandas.DataFrame:
    """Return one row per setting, as `Comparison.trials`, with the fields that vary between an optimizer's settings."""
    rows: list[dict[str, Any]] = []
    for problem, settings in tried.items():
        numbers = dict.fromkeys((each.entrant for each in settings), 0)
        for each in settings:
            figures = judge.counted(each.runs, test=False)
            rows.append(
                {
                    "problem": problem,
                    "entrant": each.entrant,
                    "trial": numbers[each.entrant],
                    "round": 0,
                    **_changing(each, settings),
                    "figure": sum(figures) / len(figures),
                    "loss": mean_loss(validation_losses(each.runs)),
                    "diverged": sum(lost(run.end) for run in each.runs),
                    "chosen": chosen[problem][each.entrant] is each,
                }
            )
            numbers[each.entrant] += 1
    import pandas

    return pandas.DataFrame(rows)


def _changing(one: Tried, settings: Sequence[Tried]) -> dict[str, float]:
    same = [each for each in settings if each.entrant == one.entrant]
    return {name: value for name, value in one.values.items() if len({each.values.get(name) for each in same}) > 1}
