"""Two-dimensional problems, whose model is a point of the plane: paths of runs, and the loss around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.base.run import Run
from framework.config.resolved import RunConfig
from framework.errors import exits_as_errors
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.population import Population

SIDE = 81
"""Points of the grid along each axis."""
MARGIN = 0.1
"""Space around the paths and minima, as a fraction of their extent."""
EVALUATED = 2**20
"""Most predictions that are computed at once."""
PROBE = (1.5, -2.25)
"""A point that a model is set to, to see whether its output is that point."""


@dataclass(frozen=True)
class PlanePath:
    """The path of one run.

    Attributes:
        points: the points before the first step and after each step, ``(steps + 1, 2)``, in the run's dtype: those that
            the run would evaluate and save, such as an average of the trained ones.
        losses: the validation loss at each point, which has no noise, ``(steps + 1,)``; not finite after a divergence.
    """

    points: np.ndarray
    losses: np.ndarray


def is_plane(config: RunConfig) -> bool:
    """Return whether the model of a run is a point of the plane: one layer, whose output is its two parameters.

    Raises:
        InputError: the parts of the run do not fit together.
    """
    if len(config.layers) != 1:  # spares loading the data of other models
        return False
    with exits_as_errors():
        population = Population([config])
        model = population.model
        if (model.parameters.size, model.output_shape) != (2, (2,)):
            return False
        model.parameters.flat[...] = PROBE
        inputs = np.stack([np.zeros(model.input_shape), np.ones(model.input_shape)]).astype(model.parameters.dtype)
        return bool((model.forward(inputs[None]) == model.parameters.flat).all())


def point_paths(configs: Sequence[RunConfig]) -> list[PlanePath]:
    """Train runs of two-dimensional problems again and return their paths, with the bits of the recorded runs.

    Each run trains alone, because those that are compared have different optimizers. Nothing is recorded, and no hook
    is called: a run that a hook stopped goes on, and one that is limited by ``max_seconds`` may have other steps.

    Args:
        configs: checked configurations for which `is_plane` holds.

    Raises:
        InputError: the parts of a run do not fit together.
    """
    return [_path(config) for config in configs]


def _path(config: RunConfig) -> PlanePath:
    watching = _Points()
    train([config], [Run("path", "path", config.as_data())], [watching])  # a single run ends at its divergence
    points = np.array(watching.points)
    return PlanePath(points, losses_at(config, points))


class _Points(Observer):
    """Keeps the points of one run."""

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Keep the starting point."""
        self._population = population
        self._keep()

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Keep the point after a step."""
        self._keep()

    def _keep(self) -> None:
        point = self._population.update.evaluation_point()
        self.points.append((self._population.model.parameters.flat if point is None else point)[0].copy())


def losses_at(config: RunConfig, points: np.ndarray) -> np.ndarray:
    """Return the loss on the validation split at points ``(N, 2)``, shape ``(N,)``, in float64.

    Raises:
        InputError: the parts of the run do not fit together.
    """
    with np.errstate(all="ignore"), exits_as_errors():
        population = Population([config])
        targets = population.data.validation.targets[None]
        count = targets.shape[1]
        many = max(1, EVALUATED // count)
        found = [np.empty(0)]
        for start in range(0, len(points), many):
            some = points[start : start + many, None].astype(np.float64)
            found.append(population.loss.forward(np.repeat(some, count, axis=1), targets))
        return np.concatenate(found)


def known_minima(config: RunConfig) -> np.ndarray:
    """Return the points at which the loss is known to be lowest, ``(K, 2)``; K is 0 if none is known.

    Raises:
        InputError: the parts of the run do not fit together.
    """
    with exits_as_errors():
        population = Population([config])
    if population.data.validation.targets.any():  # the declared minima are those for targets of 0
        return np.empty((0, 2))
    declared = [np.broadcast_to(minimum, 2) for minimum in population.loss.minima]
    return np.array(declared, dtype=np.float64).reshape(-1, 2)


def contour(config: RunConfig, paths: Sequence[PlanePath]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the loss without noise on a grid around paths and minima.

    The grid includes the starts, the known minima, and each point whose loss is at most the greatest loss of a start: a
    path that diverges leaves the picture.

    Args:
        config: the configuration of one of the runs, for the loss.
        paths: one or more paths on it, from `point_paths`.

    Returns:
        The coordinates ``(SIDE,)`` along both axes, and the losses ``(SIDE, SIDE)``, one row per ``y``.

    Raises:
        InputError: the parts of the run do not fit together.
    """
    highest = max(path.losses[0] for path in paths)
    shown = [path.points[path.losses <= highest] for path in paths]
    corners = np.concatenate([*(path.points[:1] for path in paths), *shown, known_minima(config)]).astype(np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    extent = np.where(high > low, high - low, max((high - low).max(), 1.0))
    xs, ys = np.linspace(low - MARGIN * extent, high + MARGIN * extent, SIDE).T
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return xs, ys, losses_at(config, grid).reshape(SIDE, SIDE)
