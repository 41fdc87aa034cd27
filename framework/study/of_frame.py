"""The comparison of a user's own runs, given as a data frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.errors import InputError, nearest
from framework.study.comparison import Comparison, Problem
from framework.study.outcome import Supplement, comparison_of
from framework.sweeps.by_setting import DIVERGED, FAILED

if TYPE_CHECKING:
    import pandas

GIVEN = "The runs are rows of a data frame; how they were made is not known here."
WORST = "A run that failed, diverged, or has no finite figure counts with the worst figure of its problem."
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
        InputError: the frame has no rows, a column is missing or holds something else, or a run is given twice.
    """
    if frame.empty:
        raise InputError("report: the frame has no rows: there is nothing to compare")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"report: the frame has two columns {twice[0]}: rename one")
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
    known = [column for column in frame.columns if isinstance(column, str)]
    if name is None:
        tested = [column for column in known if column.startswith("test/")]
        name = next((column for column in tested if not column.endswith("/loss")), next(iter(tested), None))
    if name is None:
        raise InputError("report: no column begins with test/: name one with figure=")
    if name not in known:
        raise InputError(f"report: figure={name}: there is no such column{nearest(str(name), known)}")
    return name


def _runs(frame: pandas.DataFrame, who: str, figure: str, *, greater: bool) -> pandas.DataFrame:
    import pandas

    rows = len(frame)
    steps = _numbers(frame, "steps", 0)
    own = pandas.DataFrame(
        {
            "problem": _names(frame, "problem") if "problem" in frame.columns else ["all runs"] * rows,
            "entrant": _names(frame, who),
            "seed": _names(frame, "seed"),
            "ended": frame["ended"].astype(str).to_numpy() if "ended" in frame.columns else ["budget"] * rows,
            "value": _numbers(frame, figure, math.nan),
            "steps": steps,
            "evaluations": _numbers(frame, "evaluations", steps),
            "steps_to_target": math.nan,
            "seconds": _numbers(frame, "seconds", math.nan),
            "folder": frame["folder"].astype(str).to_numpy() if "folder" in frame.columns else [""] * rows,
        }
    )
    own["counted"] = own["value"].where(np.isfinite(own["value"]) & ~own["ended"].isin([FAILED, DIVERGED]))
    worst = own.groupby("problem")["counted"].transform("min" if greater else "max")
    own["counted"] = own["counted"].fillna(worst)
    nothing = own.loc[own["counted"].isna(), "problem"]
    if len(nothing):
        raise InputError(f"report: no run on {nothing.iloc[0]} ended well with a finite {figure}")
    return _once(own)


def _names(frame: pandas.DataFrame, name: str) -> np.ndarray:
    """Return a column as numbers if it holds them, else as texts.

    Raises:
        InputError: a value is missing.
    """
    import pandas

    missing = frame[name].isna().to_numpy()
    if missing.any():
        raise InputError(f"report: row {missing.argmax()} has no {name}")
    numbers = name == "seed" and pandas.api.types.is_numeric_dtype(frame[name])
    return np.asarray(frame[name].to_numpy() if numbers else frame[name].astype(str).to_numpy(object))


def _numbers(frame: pandas.DataFrame, name: str, otherwise: Any) -> Any:
    """Return a column as float64, or what stands for it if there is none.

    Raises:
        InputError: it does not hold numbers.
    """
    import pandas

    if name not in frame.columns:
        return otherwise
    if not pandas.api.types.is_numeric_dtype(frame[name]):
        raise InputError(f"report: the column {name} does not hold numbers")
    return frame[name].to_numpy(np.float64, na_value=math.nan)


def _once(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Return the runs without repetitions of equal figures.

    Raises:
        InputError: two runs differ in their figures only.
    """
    different = runs.drop_duplicates(["problem", "entrant", "seed", "value"])
    twice = different[different.duplicated(["problem", "entrant", "seed"])]
    if len(twice):
        run = twice.iloc[0]
        raise InputError(
            f"report: {run['entrant']} on {run['problem']} has two figures for the seed {run['seed']}: name the "
            "settings that differ in a column entrant"
        )
    return different
