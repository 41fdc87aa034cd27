"""The comparison of a user's own runs, given as a data frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.errors import InputError, nearest
from framework.study.comparison import Comparison, Problem
from framework.study.outcome import Supplement, comparison_of
from framework.sweeps.by_setting import FAILED

if TYPE_CHECKING:
    import pandas

GIVEN = "The runs are rows of a data frame; how they were made is not known here."
WORST = "A run without a finite figure counts with the worst figure of its problem."
PAIRED = "Differences are paired by seed: a seed has to mean the same initial weights and data for every entrant."

ENTRANTS = ("entrant", "setting", "optimizer")
"""Columns that may name what is compared; the first that a frame has counts."""


def comparison_of_frame(frame: pandas.DataFrame, figure: str | None, greater: bool | None) -> Comparison:
    """Return the comparison of the runs in a frame.

    Args:
        frame: one row per run: ``seed``, one of `ENTRANTS`, and the figure; optionally ``problem``, ``ended``,
            ``steps``, ``evaluations`` and ``seconds``.
        figure: the column to compare; None for the first column whose name begins with ``test/`` and is not the loss.
        greater: whether greater is better; None for False if the name ends with ``loss``, ``error``, ``mse`` or
            ``mae``, else True.

    Raises:
        InputError: the frame has no rows, a column is missing, or the figure is not a number.
    """
    if frame.empty:
        raise InputError("report: the frame has no rows: there is nothing to compare")
    who = next((name for name in ENTRANTS if name in frame.columns), None)
    if who is None or "seed" not in frame.columns:
        raise InputError("report: the frame needs a column seed, and one of " + ", ".join(ENTRANTS))
    figure = _figure(frame, figure)
    if greater is None:
        greater = not figure.endswith(("loss", "error", "mse", "mae"))
    runs = _runs(frame, who, figure, greater=greater)
    problems = [Problem(str(name), figure, "", greater, "the worst figure") for name in runs["problem"].unique()]
    entrants = [str(name) for name in runs["entrant"].unique()]
    return comparison_of(runs, problems, entrants, Supplement(protocol=[GIVEN, PAIRED, WORST]))


def _figure(frame: pandas.DataFrame, name: str | None) -> str:
    known = [str(column) for column in frame.columns]
    if name is None:
        tested = [column for column in known if column.startswith("test/")]
        name = next((column for column in tested if not column.endswith("/loss")), next(iter(tested), None))
    if name is None:
        raise InputError("report: no column begins with test/: name one with figure=")
    if name not in known:
        raise InputError(f"report: figure={name}: there is no such column{nearest(name, known)}")
    import pandas

    if not pandas.api.types.is_numeric_dtype(frame[name]):
        raise InputError(f"report: figure={name}: the column does not hold numbers")
    return name


def _runs(frame: pandas.DataFrame, who: str, figure: str, *, greater: bool) -> pandas.DataFrame:
    import pandas

    rows = len(frame)
    own = pandas.DataFrame(
        {
            "problem": _column(frame, "problem", ["all runs"] * rows),
            "entrant": frame[who].astype(str).to_numpy(),
            "seed": frame["seed"].to_numpy(),
            "ended": _column(frame, "ended", ["budget"] * rows),
            "value": frame[figure].to_numpy(np.float64),
            "steps": _column(frame, "steps", [0] * rows),
            "evaluations": _column(frame, "evaluations", _column(frame, "steps", [0] * rows)),
            "steps_to_target": math.nan,
            "seconds": _column(frame, "seconds", [math.nan] * rows),
            "folder": _column(frame, "folder", [""] * rows),
        }
    )
    own["problem"] = own["problem"].astype(str)
    own["counted"] = own["value"].where(np.isfinite(own["value"]) & (own["ended"] != FAILED))
    worst = own.groupby("problem")["counted"].transform("min" if greater else "max")
    own["counted"] = own["counted"].fillna(worst)
    nothing = own.loc[own["counted"].isna(), "problem"]
    if len(nothing):
        raise InputError(f"report: no run on {nothing.iloc[0]} has a finite {figure}")
    return own


def _column(frame: pandas.DataFrame, name: str, otherwise: Any) -> Any:
    return frame[name].to_numpy() if name in frame.columns else otherwise
