"""The paths of runs on two-dimensional problems, and the loss around them, as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from framework.runs.finished import Finished
from framework.study.judge import Ran
from framework.training.plane import PlanePath, contour, is_plane, known_minima, point_paths

if TYPE_CHECKING:
    import pandas

MOST_POINTS = 501
"""Largest number of points of a path; a longer one is thinned out evenly, with its first and last point."""


def planes(runs: Sequence[Ran]) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Return the tables `Comparison.paths` and `Comparison.contours`; they are empty without a two-dimensional problem.

    The runs of the smallest seed of each problem are trained again, which gives the same bits.

    Args:
        runs: the runs of a comparison.
    """
    import pandas

    paths, contours = list[pandas.DataFrame](), list[pandas.DataFrame]()
    for problem, group in groupby(sorted(runs, key=lambda run: run.problem), key=lambda run: run.problem):
        own = [run for run in group if isinstance(run.end, Finished)]
        if not own or not is_plane(own[0].config):
            continue
        first = min(run.seed for run in own)
        shown = [run for run in own if run.seed == first]
        found = point_paths([run.config for run in shown])
        paths += [_path(problem, run.entrant, path) for run, path in zip(shown, found, strict=True)]
        contours += _contour(problem, shown[0], found)
    empty = pandas.DataFrame()
    return (pandas.concat(paths) if paths else empty), (pandas.concat(contours) if contours else empty)


def _path(problem: str, entrant: str, path: PlanePath) -> pandas.DataFrame:
    import pandas

    last = len(path.points) - 1
    steps = np.unique(np.linspace(0, last, min(last + 1, MOST_POINTS)).round().astype(int))
    x, y = path.points[steps].astype(np.float64).T
    return pandas.DataFrame(
        {"problem": problem, "entrant": entrant, "step": steps, "x": x, "y": y, "loss": path.losses[steps]}
    )


def _contour(problem: str, run: Ran, paths: Sequence[PlanePath]) -> list[pandas.DataFrame]:
    import pandas

    xs, ys, losses = contour(run.config, paths)
    x, y = np.meshgrid(xs, ys)
    grid = {"problem": problem, "x": x.ravel(), "y": y.ravel(), "loss": losses.ravel(), "minimum": False}
    minima = known_minima(run.config)
    known = {"problem": problem, "x": minima[:, 0], "y": minima[:, 1], "loss": np.nan, "minimum": True}
    return [pandas.DataFrame(grid), *([pandas.DataFrame(known)] if len(minima) else [])]
