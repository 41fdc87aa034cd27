"""Learning curves of a comparison: the median over the seeds with the interquartile range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.reports.numbers import positions, rounded, thinned
from framework.study.comparison import Comparison, Problem

if TYPE_CHECKING:
    import pandas

KEYS = ("problem", "entrant", "seed", "epoch", "step", "seconds")
LOST = ("diverged", "failed")
MOST_POINTS = 150
"""Most points of a curve."""
MOST_NUMBERS = 600_000
"""Most numbers of all curves, which limits the size of the page."""
WHISKERS = 10.0
"""Interquartile ranges beyond the quartiles of all medians to which the axis extends at first."""


def curves(comparison: Comparison) -> dict[str, Any] | str:
    """Return the curves of each problem and entrant, or why there are none."""
    frame = comparison.curves
    if not len(frame):
        return "The figures of the epochs were not recorded."
    by_problem = dict(iter(frame.groupby("problem", sort=False)))
    tables = {problem.name: by_problem.get(problem.name, frame.iloc[:0]) for problem in comparison.problems}
    shown = {name: _figures(table) for name, table in tables.items()}
    count = sum(len(names) for names in shown.values()) * len(comparison.entrants)
    most = max(2, min(MOST_POINTS, MOST_NUMBERS // (3 * max(1, count))))
    lost = _lost(comparison.runs)
    found = [
        _problem(problem, tables[problem.name], shown[problem.name], comparison.entrants, lost, most)
        for problem in comparison.problems
    ]
    return {"problems": found, "thinned": most if frame["epoch"].nunique() > most else None}


def _problem(
    problem: Problem,
    table: pandas.DataFrame,
    names: list[str],
    entrants: tuple[str, ...],
    lost: Mapping[tuple[str, str], dict[int, bool]],
    most: int,
) -> dict[str, Any]:
    """Return the curves of one problem."""
    place, lines = positions(entrants), []
    worst = {name: _worst(table[name].to_numpy(float), name, problem) for name in names}
    by_entrant = dict(iter(table.groupby("entrant", sort=False)))
    for entrant in entrants:
        if entrant in by_entrant:
            line = _line(by_entrant[entrant], worst, lost.get((problem.name, entrant), {}), most)
            lines.append({"entrant": place[entrant], **line})
    ranges = {name: _range(line["figures"][name][0] for line in lines) for name in names}
    return {"figures": names, "lines": lines, "ranges": ranges}


def _figures(frame: pandas.DataFrame) -> list[str]:
    """Return the figures that a problem has, validation first."""
    names = [str(name) for name in frame.columns if name not in KEYS and frame[name].notna().any()]
    return sorted(names, key=lambda name: (not name.startswith("val/"), not name.startswith("train/"), name))


def _lost(runs: pandas.DataFrame) -> dict[tuple[str, str], dict[int, bool]]:
    """Return for each problem and entrant which seeds diverged or failed."""
    found: dict[tuple[str, str], dict[int, bool]] = {}
    if len(runs):
        for problem, entrant, seed, ended in runs[["problem", "entrant", "seed", "ended"]].itertuples(index=False):
            found.setdefault((problem, entrant), {})[seed] = ended in LOST
    return found


def _worst(values: np.ndarray, name: str, problem: Problem) -> float:
    """Return the worst finite value of a figure; the lowest if it is the metric by which greater runs are better."""
    values = values[np.isfinite(values)]
    greater = problem.greater and name.partition("/")[2] == problem.validation.partition("/")[2]
    return float(values.min() if greater else values.max()) if values.size else np.nan


def _line(table: pandas.DataFrame, worst: dict[str, float], lost: dict[int, bool], most: int) -> dict[str, Any]:
    """Return one entrant's curves on one problem."""
    epochs = np.unique(table["epoch"].to_numpy())
    seeds = sorted({*table["seed"].tolist(), *(seed for seed, gone in lost.items() if gone)})
    rows = np.searchsorted(seeds, table["seed"].to_numpy())
    columns = np.searchsorted(epochs, table["epoch"].to_numpy())
    at = thinned(len(epochs), most)
    axes = {name: _grid(table, name, rows, columns, len(seeds), len(epochs)) for name in ("step", "seconds")}
    gone = np.array([lost.get(seed, False) for seed in seeds])
    figures = {}
    for name, value in worst.items():
        grid = continued(_grid(table, name, rows, columns, len(seeds), len(epochs)), gone, value)
        low, middle, high = np.quantile(grid, (0.25, 0.5, 0.75), axis=0)
        figures[name] = [rounded(part[at]) for part in (middle, low, high)]
    return {
        "epoch": rounded(epochs[at]),
        **{name: rounded(_first(grid)[at], 7) for name, grid in axes.items()},
        "figures": figures,
        "seeds": len(seeds),
        "lost": int(gone.sum()),
    }


def _grid(
    table: pandas.DataFrame, name: str, rows: np.ndarray, columns: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Return a column of the table as an array ``(seeds, epochs)``, with NaN where there is no row."""
    grid = np.full((height, width), np.nan)
    grid[rows, columns] = table[name].to_numpy(float)
    return grid


def _first(grid: np.ndarray) -> np.ndarray:
    """Return each column's first number that is not NaN; NaN without any."""
    return np.asarray(np.take_along_axis(grid, np.argmax(~np.isnan(grid), axis=0)[None], axis=0)[0])


def continued(grid: np.ndarray, lost: np.ndarray, worst: float) -> np.ndarray:
    """Return values ``(seeds, epochs)`` without gaps, so that no seed leaves the average.

    Args:
        grid: the recorded values, NaN where a seed has none.
        lost: whether each seed diverged or failed. After its last finite value, such a seed has the worst value; the
            others, which stopped early, keep their last one.
        worst: the worst value; values that are not finite count as it.
    """
    filled = grid.copy()
    for row, gone in zip(filled, lost, strict=True):
        known = np.flatnonzero(np.isfinite(row))
        end = known[-1] if known.size else -1
        row[end + 1 :] = row[end] if known.size and not gone else worst
    return np.where(np.isfinite(filled), filled, worst)


def _range(lines: Iterable[list[float | None]]) -> list[float | None]:
    """Return the range of all medians without outliers, such as the losses of a diverging optimizer."""
    values = np.array([value for line in lines for value in line if value is not None], dtype=float)
    if not values.size:
        return [None, None]
    logarithmic = bool((values > 0).all())
    scaled = np.log10(values) if logarithmic else values
    first, third = np.quantile(scaled, (0.25, 0.75))
    reach = WHISKERS * (third - first)
    low, high = max(scaled.min(), first - reach), min(scaled.max(), third + reach)
    return rounded((10**low, 10**high) if logarithmic else (low, high))
