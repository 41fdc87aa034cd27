"""The frame that `framework.sweep` returns: single runs, with a table by setting and a picture."""

from __future__ import annotations

from collections.abc import Sequence

import pandas

from framework.by_setting import records
from framework.html import sweep_html
from framework.leaderboard import Table
from framework.pictures import Picture
from framework.sweep_text import settings_text


class SweepFrame(pandas.DataFrame):
    """One row per run, best validation first within each problem; what pandas makes of it is a frame of pandas.

    A notebook shows the settings: the runs averaged over their seeds.
    """

    _metadata = ["_tables"]  # noqa: RUF012 - how pandas wants it

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    @classmethod
    def of(cls, tables: Sequence[Table]) -> SweepFrame:
        """Return the runs of a sweep's tables."""
        frame = cls([row for table in tables for row in table.runs])
        object.__setattr__(frame, "_tables", tuple(tables))
        return frame

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the sweep: one for each problem."""
        found: tuple[Table, ...] = object.__getattribute__(self, "_tables")
        return found

    def by_setting(self) -> pandas.DataFrame:
        """Return one row per setting: mean and standard deviation (``… std``) of the kept model's figures over seeds.

        Best mean on validation first within each problem.
        """
        return pandas.DataFrame([row for table in self.tables for row in records(table.settings)])

    def plot(self) -> Picture:  # type: ignore[override]  # in place of pandas' accessor
        """Return the picture of the sweep; a notebook shows it."""
        from framework.sweep_pictures import sweep_picture

        return Picture.drawn(lambda path: sweep_picture(self.tables, path, title=f"{len(self)} runs"))

    def __repr__(self) -> str:
        return f"{len(self)} runs, averaged over their seeds:\n{settings_text(self.tables, None)}"

    def _repr_html_(self) -> str:
        return sweep_html(self.tables, len(self))
