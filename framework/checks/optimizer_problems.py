"""Checks that an optimizer approaches the minimum of known problems at the best of a few learning rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.base.fields import Field
from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters, Shape
from framework.checks.chains import ChainSubject
from framework.checks.results import Broken, Figure, Skip
from framework.checks.settings import accepted
from framework.training.update import Update

CONDITIONS = (1.0, 1e1, 1e2, 1e4)
GRID = 7
QUADRATIC_STEPS = 1500
ROSENBROCK_STEPS = 3000
LOOK_EVERY = 50

BOUNDS: Mapping[str, Mapping[str, float]] = {
    "minimises": {"quadratic": 5e-3, "noisy": 1e-2, "rosenbrock": 0.02},
    "descends": {"quadratic": 0.2, "noisy": 0.2, "rosenbrock": 0.25},
}
"""The largest allowed ratio of final to initial loss, by value of `Optimizer.converges` and by problem."""


class Landscape:
    """A function as the objective of many runs, which have one learning rate each.

    Attributes:
        losses: losses at the last call of `at`, shape ``(R,)``.
    """

    def __init__(
        self,
        parameters: Parameters,
        function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        noise: float = 0.0,
    ) -> None:
        self.parameters, self.gradients = parameters, parameters.like()
        self._function, self._noise = function, noise
        self._bump: Any = 0.0
        self.losses = self.evaluate()

    def at(self, t: int) -> None:
        """Draw the gradient noise of step ``t``, the same for each run, and evaluate."""
        if self._noise:
            self._bump = self._noise * np.random.default_rng([4, t]).standard_normal(self.parameters.size)
        self.losses = self.evaluate()

    def evaluate(self) -> np.ndarray:
        """Write the gradients at the current parameters; return the losses ``(R,)``."""
        with np.errstate(all="ignore"):  # a learning rate of the grid may be too large
            losses, slopes = self._function(self.parameters.flat)
            self.gradients.flat[...] = slopes + self._bump
        return losses


def quadratic_minimum(subject: ChainSubject) -> Figure:
    """Check the descent on rotated quadratics with condition numbers from 1 to 1e4 against `BOUNDS`."""
    bound = _bound(subject, "quadratic")
    left = {condition: _left(subject, _quadratic(subject, condition), bound) for condition in CONDITIONS}
    condition, value = max(left.items(), key=lambda pair: pair[1])
    return Figure(
        value, bound, f"condition {condition:g}: the best learning rate leaves {value:.2g} of the initial loss"
    )


def noisy_minimum(subject: ChainSubject) -> Figure:
    """Check the descent on a quadratic with gradient noise against `BOUNDS`."""
    bound = _bound(subject, "noisy")
    value = _left(subject, _quadratic(subject, 10.0), bound, noise=0.3)
    return Figure(value, bound, f"the best learning rate leaves {value:.2g} of the initial loss")


def rosenbrock_minimum(subject: ChainSubject) -> Figure:
    """Check the descent on Rosenbrock's function, from (-1.2, 1), against `BOUNDS`."""
    bound = _bound(subject, "rosenbrock")
    shape = (2,) if "bias" in subject.shapes else (2, 1)
    problem = ({"x": shape}, np.array([-1.2, 1.0]), _rosenbrock)
    value = _left(subject, problem, bound, steps=ROSENBROCK_STEPS)
    return Figure(value, bound, f"the best learning rate leaves {value:.2g} of the initial loss")


Problem = tuple[Mapping[str, Shape], np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]


def _bound(subject: ChainSubject, problem: str) -> float:
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    if cls.converges == "":
        raise Skip(f"it need not descend: {cls.warning or 'converges is empty'}")
    if cls.converges not in BOUNDS:
        raise Broken(f"converges={cls.converges!r} must be 'minimises', 'descends' or ''")
    return BOUNDS[cls.converges][problem]


def _quadratic(subject: ChainSubject, condition: float) -> Problem:
    shapes = {"weight": (4, 2), "bias": (2,)} if "bias" in subject.shapes else {"weight": (4, 2)}
    size = sum(int(np.prod(shape)) for shape in shapes.values())
    rng = np.random.default_rng(5)
    rotation, _ = np.linalg.qr(rng.standard_normal((size, size)))
    matrix = rotation @ np.diag(np.geomspace(1.0 / condition, 1.0, size)) @ rotation.T

    def function(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slopes = x @ matrix
        return 0.5 * (slopes * x).sum(axis=1), slopes

    return shapes, rng.standard_normal(size), function


SCALE = 0.01
"""Factor of Rosenbrock's function: makes gradients as large as a network's, so that tuning ranges of lr fit."""


def _rosenbrock(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = points[:, 0], points[:, 1]
    bend = y - x * x
    slopes = np.stack([-2 * (1 - x) - 400 * x * bend, 200 * bend], axis=1)
    return SCALE * ((1 - x) ** 2 + 100 * bend**2), SCALE * slopes


def _left(
    subject: ChainSubject, problem: Problem, goal: float, *, noise: float = 0.0, steps: int = QUADRATIC_STEPS
) -> float:
    """Return the smallest ratio of final to initial loss over the learning rates of the grid.

    The search stops early once the ratio is at most ``goal``.
    """
    cls: type[Optimizer] = subject.cls  # type: ignore[assignment]
    rates = _rates(cls)
    grids = [rates] if cls.vectorized else [[rate] for rate in rates]
    best = np.inf
    for grid in grids:
        best = min(
            best, _descend(cls.stack([{**subject.variants[0], **rate} for rate in grid]), problem, goal, noise, steps)
        )
        if best <= goal:
            break
    return best


def _descend(optimizer: Optimizer, problem: Problem, goal: float, noise: float, steps: int) -> float:
    shapes, start, function = problem
    parameters = Parameters(shapes, len(optimizer.rows), np.float64)
    parameters.flat[...] = start
    first = function(start[None])[0][0]
    landscape = Landscape(parameters, function, noise)
    update = Update(optimizer, parameters, landscape.gradients, total=steps)
    best, seen = np.inf, []
    for t in range(1, steps + 1):
        landscape.at(t)
        update.step(t, landscape)
        if t % LOOK_EVERY > LOOK_EVERY - 5 or t % LOOK_EVERY == 0:  # the mean of five steps: a path may oscillate
            with update.evaluating(), np.errstate(all="ignore"):
                seen.append(function(parameters.flat)[0])
        if t % LOOK_EVERY == 0:
            left = np.mean(seen, axis=0) / first
            best, seen = min(best, float(np.where(np.isfinite(left), left, np.inf).min())), []
            if best <= goal:
                break
    return best


def _rates(cls: type[Optimizer]) -> list[dict[str, float]]:
    """Return the fields to try: the defaults, and a grid of learning rates within the declared tuning range."""
    fields = {name: field for name, field in cls.fields.items() if name == "lr" or name.endswith("_lr")}
    grids = {name: _grid(field) for name, field in fields.items()}
    rates = [{name: grid[i] for name, grid in grids.items()} for i in range(GRID if grids else 0)]
    return [{}, *(rate for rate in rates if accepted(cls, rate))]


def _grid(field: Field) -> list[float]:
    low, high = field.search or (field.default * 1e-2, field.default * 1e2)
    grid = np.geomspace(low, high, GRID) if low > 0 else np.linspace(low, high, GRID)
    return [float(rate) for rate in np.clip(grid, low, high)]  # geomspace may miss its ends by rounding
