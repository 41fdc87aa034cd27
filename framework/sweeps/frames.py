"""The data frame that `framework.sweep` returns: one row per run, with a table by setting and a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pandas
from pandas.plotting import PlotAccessor

from framework.sweeps.by_setting import records
from framework.sweeps.html import sweep_html
from framework.sweeps.leaderboard import Row, Table
from framework.sweeps.plots import sweep_picture
from framework.sweeps.text import counts, settings_text
from framework.training import kept

RANKED_BY = "ranked_by"
"""Column that names the figure to rank by, such as ``"highest kept/val/accuracy"``."""
NEEDED = ("problem", "setting", "optimizer", "lr", "seed", "ended", "steps", RANKED_BY, kept.LOSS)
"""Columns that averaging over seeds needs; a frame that lacks one becomes a plain ``pandas.DataFrame``."""


class Plot(PlotAccessor):
    """Plot accessor: draws the sweep if called without arguments; otherwise pandas' accessor."""

    def __init__(self, frame: RunsFrame) -> None:
        super().__init__(frame)
        self._frame = frame

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the sweep's picture, or pandas' plot if there are arguments.

        Raises:
            InputError: there are no runs.
        """
        return super().__call__(*args, **kwargs) if args or kwargs else sweep_picture(tables_of(self._frame))


class RunsFrame(pandas.DataFrame):
    """Runs of sweeps, one row per run: the result of selecting, sorting, joining or copying a sweep's frame.

    It displays like any ``pandas.DataFrame``.
    """

    @property
    def _constructor(self) -> Callable[..., pandas.DataFrame]:
        return _runs_or_plain

    @property
    def plot(self) -> Plot:
        """``plot()`` draws these runs as a sweep; ``plot.scatter(…)`` and ``plot(…)`` with arguments are pandas'."""
        return Plot(self)

    def by_setting(self) -> pandas.DataFrame:
        """Return one row per setting: mean and standard deviation (``… std``) of the kept model's figures over seeds.

        Rows are in the order of `framework.sweeps.by_setting.by_setting` within each problem: best mean on validation
        first.
        """
        return pandas.DataFrame([row for table in tables_of(self) for row in records(table.settings)])


class SweepFrame(RunsFrame):
    """The runs of a sweep as returned by it: best validation first within each problem, failed runs last.

    It displays as a table of its settings, averaged over seeds.
    """

    @classmethod
    def of(cls, tables: Iterable[Table]) -> SweepFrame:
        """Return a frame of the runs of a sweep's tables."""
        rows = [
            {**row, RANKED_BY: f"{'highest' if table.greater else 'lowest'} {table.figure}"}
            for table in tables
            for row in (*table.runs, *table.lost)
        ]
        columns = dict.fromkeys(name for row in rows for name in row)
        return cls(rows, columns=[*columns, *_missing(columns)])

    def __repr__(self) -> str:
        if _missing(self.columns):  # columns were dropped in place
            return super().__repr__()
        tables = tables_of(self)
        return f"{counts(tables)}\n{settings_text(tables, None)}".rstrip()

    def _repr_html_(self) -> str | None:
        return None if _missing(self.columns) else sweep_html(tables_of(self))


def tables_of(frame: pandas.DataFrame) -> list[Table]:
    """Return the tables of the runs of a frame, in the order of its rows.

    They are computed from the rows alone, so that this works for a selection of runs and for runs of several sweeps.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in cast(list[Row], frame.to_dict("records")):
        row["lr"] = None if pandas.isna(row["lr"]) else row["lr"]  # pandas stores None as NaN
        groups.setdefault((row["problem"], row[RANKED_BY]), []).append(row)
    found = []
    for (problem, ranked_by), rows in groups.items():
        order, figure = ranked_by.split(" ", 1)
        found.append(Table.of(problem, figure, order == "highest", _without_others(rows, figure)))
    return found


def _without_others(rows: Sequence[Row], figure: str) -> list[Row]:
    """Return rows without the figures that none of them has; those columns belong to other problems."""
    names = [name for name in kept.figures(rows[0]) if name not in (figure, kept.LOSS)]
    other = {name for name in names if all(pandas.isna(row[name]) for row in rows)}
    return [{name: value for name, value in row.items() if name not in other} for row in rows]


def _runs_or_plain(*args: Any, **kwargs: Any) -> pandas.DataFrame:
    """Return a `RunsFrame` if the needed columns are present, else a plain frame (as GeoPandas does for geometries)."""
    frame = pandas.DataFrame(*args, **kwargs)
    return frame if _missing(frame.columns) else RunsFrame(frame)


def _missing(columns: Iterable[Any]) -> list[str]:
    present = set(columns)
    return [name for name in NEEDED if name not in present]
