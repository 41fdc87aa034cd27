"""Paths of optimizers over the contours of two-dimensional problems: plain data for the page and for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.reports.numbers import number, positions, rounded, thinned
from framework.study.comparison import Comparison

if TYPE_CHECKING:
    import pandas

MOST_POINTS = 300
"""Most points of a path on the page."""
MOST_CELLS = 90
"""Most grid points along each side of the contours on the page."""
TICKS = 5


@dataclass(frozen=True)
class Valley:
    """A two-dimensional problem with the paths of its entrants.

    Attributes:
        problem: its name.
        x, y: coordinates of the grid, ``(X,)`` and ``(Y,)``.
        loss: the loss on the grid, ``(Y, X)``.
        minima: known minima, ``(M, 2)``.
        paths: by entrant, the columns step, x, y and loss, ``(steps, 4)``.
    """

    problem: str
    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    minima: np.ndarray
    paths: Mapping[str, np.ndarray]

    @property
    def heights(self) -> np.ndarray:
        """The loss above its lowest value on a logarithmic scale from 0 to 1, which shows valleys and walls."""
        return self.height_of(self.loss)

    def height_of(self, loss: np.ndarray) -> np.ndarray:
        """Return the height of losses, as in `heights`."""
        lowest, span = self._scale()
        return np.asarray(np.log1p((loss - lowest) / span * 1e4) / np.log1p(1e4))

    def loss_at(self, height: float) -> float:
        """Return the loss of a height: the inverse of `height_of`."""
        lowest, span = self._scale()
        return float(lowest + span * np.expm1(height * np.log1p(1e4)) / 1e4)

    def _scale(self) -> tuple[float, float]:
        lowest, highest = float(np.nanmin(self.loss)), float(np.nanmax(self.loss))
        return lowest, (highest - lowest) or 1.0


def valleys_of(comparison: Comparison) -> list[Valley]:
    """Return the two-dimensional problems that have contours and paths, in the comparison's order."""
    if not len(comparison.contours) or not len(comparison.paths):
        return []
    found = []
    for problem in comparison.problems:
        grid = comparison.contours[comparison.contours["problem"] == problem.name]
        steps = comparison.paths[comparison.paths["problem"] == problem.name]
        if len(grid) and len(steps):
            found.append(_valley(problem.name, grid, steps, comparison.entrants))
    return found


def _valley(name: str, grid: pandas.DataFrame, steps: pandas.DataFrame, entrants: tuple[str, ...]) -> Valley:
    known = grid["minimum"].to_numpy(bool)
    minima, cells = grid[known], grid[~known]
    x, y = np.unique(cells["x"].to_numpy(float)), np.unique(cells["y"].to_numpy(float))
    loss = np.full((len(y), len(x)), np.nan)
    loss[np.searchsorted(y, cells["y"].to_numpy(float)), np.searchsorted(x, cells["x"].to_numpy(float))] = cells["loss"]
    by = dict(iter(steps.groupby("entrant", sort=False)))
    paths = {
        entrant: by[entrant].sort_values("step")[["step", "x", "y", "loss"]].to_numpy(float)
        for entrant in entrants
        if entrant in by
    }
    return Valley(name, x, y, loss, minima[["x", "y"]].to_numpy(float), paths)


def trajectories(comparison: Comparison) -> dict[str, Any] | str:
    """Return contours and paths by problem, or why there are none."""
    found = valleys_of(comparison)
    if not found:
        return "No problem is a function of two variables."
    return {valley.problem: _plain(valley, positions(comparison.entrants)) for valley in found}


def _plain(valley: Valley, place: Mapping[str, int]) -> dict[str, Any]:
    columns, rows = thinned(len(valley.x), MOST_CELLS), thinned(len(valley.y), MOST_CELLS)
    ticks = np.linspace(0, 1, TICKS)
    return {
        "x": rounded(valley.x[columns]),
        "y": rounded(valley.y[rows]),
        "heights": [rounded(row, 4) for row in valley.heights[np.ix_(rows, columns)]],
        "ticks": rounded(ticks),
        "losses": [number(valley.loss_at(tick), 2) for tick in ticks],
        "minima": [rounded(point) for point in valley.minima],
        "paths": [{"entrant": place[entrant], **_path(path)} for entrant, path in valley.paths.items()],
        "thinned": any(len(path) > MOST_POINTS for path in valley.paths.values()),
    }


def _path(path: np.ndarray) -> dict[str, list[float | None]]:
    """Return a path's points, of long ones the first third densely, since optimizers move fastest at the start."""
    count = len(path)
    at = np.arange(count)
    if count > MOST_POINTS:
        at = np.unique(np.round((count - 1) * np.linspace(0, 1, MOST_POINTS) ** 2).astype(int))
    step, x, y, loss = path[at].T
    return {"step": rounded(step, 9), "x": rounded(x), "y": rounded(y), "loss": rounded(loss)}
