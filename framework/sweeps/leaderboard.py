"""Results of a sweep: single runs and settings, in one table per set of runs that can be ranked by one figure.

Figures of two problems are not comparable, nor is an accuracy comparable with an error: each gets its own table.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from framework.config.part import Part
from framework.runs.finished import run_params
from framework.sweeps.blocks import Ended, Failed
from framework.sweeps.by_setting import FAILED, Setting, by_setting, records
from framework.sweeps.job import Job
from framework.training import kept

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Runs of a sweep that are ranked by one figure.

    Attributes:
        problem: the problem they train on.
        figure: the kept model's validation figure to rank by, such as ``kept/val/accuracy``.
        greater: whether greater is better.
        runs: one flat row per run that did not fail, best first, diverged ones last.
        settings: the runs averaged over their seeds, in the order of `by_setting`; they count failed runs.
        lost: one row per run that failed, without figures but with its ``error``.
    """

    problem: str
    figure: str
    greater: bool
    runs: tuple[Row, ...]
    settings: tuple[Setting, ...]
    lost: tuple[Row, ...] = ()

    @classmethod
    def of(cls, problem: str, figure: str, greater: bool, rows: Iterable[Row]) -> Table:
        """Return the table of ``rows``, which may include failed runs and be in any order."""
        alive: list[Row] = []
        lost: list[Row] = []
        for row in rows:
            (lost if row["ended"] == FAILED else alive).append(row)
        runs, settings = _sorted(alive, figure, greater), by_setting([*alive, *lost], figure, greater=greater)
        return cls(problem, figure, greater, tuple(runs), tuple(settings), tuple(lost))

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """The words that the names of all settings share, except optimizers and learning rates."""
        return shared_words(setting.name for setting in self.settings)

    def short_name(self, setting: Setting) -> str:
        """Return a setting's name without the words that all settings share, with the names of settings equal to it."""
        own, *equal = [without(self.shared, name) for name in (setting.name, *setting.equal)]
        return f"{own} (= {', '.join(equal)})" if equal else own


def shared_words(names: Iterable[str]) -> tuple[str, ...]:
    """Return the words that all setting names share, except optimizers and learning rates; none for a single name."""
    first, *others = [name.split(" ")[1:] for name in names]
    shared = [word for word in first if not word.startswith("lr=") and all(word in words for words in others)]
    return tuple(shared) if others else ()


def without(words: Collection[str], name: str) -> str:
    """Return a setting's name without the given words."""
    return " ".join(word for word in name.split(" ") if word not in words)


def tables(jobs: Sequence[Job], ended: Sequence[Ended]) -> list[Table]:
    """Return the tables of a sweep, in the order of their first jobs; those of failed runs only come last.

    Args:
        jobs: all jobs.
        ended: the result of each job, in the order of ``jobs``.
    """
    ranked: dict[str, dict[tuple[str, bool], list[Row]]] = {}
    failed: dict[str, list[Row]] = {}
    for job, problem, end in zip(jobs, problems(jobs), ended, strict=True):
        row = row_of(job, problem, end)
        if isinstance(end, Failed):
            failed.setdefault(problem, []).append(row)
        else:
            by = ranking(list(end.metrics), end.directions)
            ranked.setdefault(row["problem"], {}).setdefault(by, []).append(row)
    found = []
    for problem, groups in ranked.items():
        lost = failed.pop(problem, [])
        for (figure, greater), rows in groups.items():
            found.append(Table.of(problem, figure, greater, [*rows, *lost]))
            lost = []
    return [*found, *(Table.of(problem, kept.LOSS, False, lost) for problem, lost in failed.items())]


def problems(jobs: Sequence[Job]) -> list[str]:
    """Return each job's problem, with its data set if the jobs of that problem train on several data sets."""
    pairs = [(str(job.config.problem), _data(job.config.parts["dataset"])) for job in jobs]
    data: dict[str, set[str]] = {}
    for problem, name in pairs:
        data.setdefault(problem, set()).add(name)
    return [f"{problem} on {name}" if len(data[problem]) > 1 else problem for problem, name in pairs]


def _data(dataset: Part) -> str:
    """Return a data set's name and its free-text fields (files, columns); other fields split or scale the same data."""
    texts = [name for name, field in dataset.cls.fields.items() if field.kind == "text" and not field.choices]
    return " ".join([dataset.name, *(f"{name}={dataset.fields[name]}" for name in texts if dataset.fields[name])])


def row_of(job: Job, problem: str, end: Ended) -> Row:
    """Return one run as a row of the leaderboard, without figures if it failed; ``problem`` is from `problems`."""
    optimizer = job.config.optimizer
    return {
        **(_failed_row(job, end) if isinstance(end, Failed) else end.row()),
        "problem": problem,
        "setting": job.setting,
        "optimizer": optimizer.name,
        "lr": optimizer.fields.get("lr"),
        "seed": job.config.settings.seed,
    }


def _failed_row(job: Job, end: Failed) -> Row:
    params = run_params(job.config, job.distinguishing)
    return {
        "run": job.run_name,
        **params,
        "ended": FAILED,
        "folder": str(job.folder),
        "reused": False,
        "error": end.error,
    }


def ranking(names: Sequence[str], directions: Mapping[str, bool]) -> tuple[str, bool]:
    """Return the kept model's validation figure to rank runs by, and whether greater is better.

    Args:
        names: names of the figures, in order.
        directions: whether greater is better, by metric name.
    """
    figure = kept.ranking_figure(names)
    return figure, figure != kept.LOSS and directions[figure.removeprefix(kept.VALIDATION)]


def _sorted(rows: Iterable[Row], figure: str, greater: bool) -> list[Row]:
    def key(row: Row) -> tuple[bool, float, float]:
        value, loss = row[figure], row[kept.LOSS]
        if not math.isfinite(value):
            return True, 0.0, 0.0
        return False, -value if greater else value, loss

    return sorted(rows, key=key)


def write_runs(path: Path, found: Iterable[Table]) -> None:
    """Write the single runs of each table as CSV, failed runs last; a figure that a run does not have is blank."""
    _write(path, [row for table in found for row in (*table.runs, *table.lost)])


def write_settings(path: Path, found: Iterable[Table]) -> None:
    """Write the settings of all tables as CSV.

    Columns: means, standard deviations (``… std``), and the numbers of seeds, diverged and failed runs.
    """
    _write(path, [row for table in found for row in records(table.settings)])


def _write(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
