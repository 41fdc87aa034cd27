"""Populations for the checks of optimizers and stages: each run minimises its own noisy quadratic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.fields import Configurable, hyper
from framework.base.optimizer import Optimizer
from framework.base.parameters import Parameters, Shape
from framework.base.schedule import Schedule
from framework.base.stage import Stage
from framework.checks.results import Skip
from framework.checks.settings import RUNS, Settings, spread, variants
from framework.errors import InputError
from framework.training.update import Update

SHAPES: tuple[Mapping[str, Shape], ...] = (
    {"weight": (4, 3), "bias": (3,), "kernel": (2, 2, 3, 2)},
    {"weight": (4, 3), "other": (3, 5)},
)
"""Tensors to check a rule on; the first set that the rule accepts is used, as some rules accept only matrices."""

WIDE: Mapping[str, Shape] = {"weight": (99, 99)}
"""A tensor so large that one BLAS call over all runs gives other bits than one call per run.

Products of smaller tensors have the same bits either way.
"""

DTYPES = (np.float64, np.float32)
STEPS, DEAR_STEPS, WIDE_STEPS = 12, 5, 2
"""Steps of a walk: by default, for rules that evaluate the loss again (some of them 30 times per step), on `WIDE`."""
TOTAL = 400


class Descent(ElementwiseOptimizer):
    """Gradient descent ``p - lr * g``: the rule with which stages are checked."""

    lr: float = hyper(0.05, above=0)

    def rule(p: Any, g: Any, *, lr: Any) -> Any:  # noqa: D102, N805 - a formula, not a method
        return p - lr * g


class Bowl:
    """An objective for R runs: one quadratic per run, with gradient noise per step.

    With ``d = x - centre`` the loss is ``sum(curvature * d**2 / 2 + bump * d) + 100`` and the gradient is
    ``curvature * d + bump``, where ``bump`` is the noise of the step. All random numbers, the starting parameters
    included, depend on the run's number.

    Attributes:
        losses: losses at the last call of `at`, shape ``(R,)``.
        noise: standard deviation of the gradient noise.
        spoil: run and step at which gradient and loss are NaN, or None.
    """

    def __init__(
        self, parameters: Parameters, gradients: Parameters, runs: Sequence[int], *, noise: float = 0.1
    ) -> None:
        self.parameters, self.gradients, self.runs, self.noise = parameters, gradients, runs, noise
        drawn = [np.random.default_rng([run, 1]) for run in runs]
        size, dtype = parameters.size, parameters.dtype
        self.curvature = np.stack([10 ** rng.uniform(-1, 1, size) for rng in drawn]).astype(dtype)
        self.centre = np.stack([rng.standard_normal(size) for rng in drawn]).astype(dtype)
        parameters.flat[...] = np.stack([rng.standard_normal(size) for rng in drawn])
        self.spoil: tuple[int, int] | None = None
        self.at(1)

    def at(self, t: int) -> None:
        """Draw the noise of step ``t`` and evaluate."""
        drawn = [np.random.default_rng([run, 2, t]).standard_normal(self.parameters.size) for run in self.runs]
        self._bump = (self.noise * np.stack(drawn)).astype(self.parameters.dtype)
        self._step = t
        self.losses = self.evaluate()

    def flatten(self) -> None:
        """Set curvature and noise to zero, so that later gradients are zero."""
        self.noise, self.curvature = 0.0, np.zeros_like(self.curvature)

    def evaluate(self) -> np.ndarray:
        """Write the gradients at the current parameters; return the losses ``(R,)``."""
        with np.errstate(all="ignore"):  # a rule may diverge here; the checks detect it
            away = self.parameters.flat - self.centre
            slope = self.curvature * away
            self.gradients.flat[...] = slope + self._bump
            losses = (0.5 * slope * away + self._bump * away).sum(axis=1) + 100  # positive, as training losses are
        if self.spoil is not None and self._step == self.spoil[1]:
            self.gradients.flat[self.spoil[0]] = np.nan
            losses[self.spoil[0]] = np.nan
        return losses


class ChainPopulation:
    """R runs of one chain, each on its quadratic of `Bowl`.

    Attributes:
        path: the parameters after each step, ``(R, size)`` each.
        points: the parameters to evaluate after each step, as ``path``.
    """

    def __init__(
        self,
        chain: tuple[Optimizer, Sequence[Stage]],
        shapes: Mapping[str, Shape],
        runs: Sequence[int],
        dtype: Any = np.float64,
        *,
        schedule: Schedule | None = None,
        kernel: str = "numpy",
        replays: bool = False,
    ) -> None:
        self.parameters = Parameters(shapes, len(runs), dtype)
        self.gradients = self.parameters.like()
        self.bowl = Bowl(self.parameters, self.gradients, runs)
        optimizer, self.stages = chain
        self.update = Update(
            optimizer,
            self.parameters,
            self.gradients,
            stages=self.stages,
            schedule=schedule,
            total=TOTAL,
            kernel=kernel,
            replays=replays,
        )
        self.steps = DEAR_STEPS if optimizer.needs_closure else STEPS
        self.path: list[np.ndarray] = []
        self.points: list[np.ndarray] = []

    def step(self, t: int) -> None:
        """Take step ``t``."""
        self.bowl.at(t)
        self.update.step(t, self.bowl)

    def walk(self, first: int = 1, count: int | None = None) -> ChainPopulation:
        """Take ``count`` steps (by default ``steps``) from ``first`` on, record them in ``path`` and ``points``."""
        for t in range(first, first + (self.steps if count is None else count)):
            self.step(t)
            self.path.append(self.parameters.flat.copy())
            with self.update.evaluating():
                self.points.append(self.parameters.flat.copy())
        return self

    def copy_state(self) -> dict[str, np.ndarray]:
        """Return copies of every array of the chain."""
        return {name: array.copy() for name, array in self.update.state.items()}

    def arrays(self, row: int | slice | list[int] = slice(None)) -> list[np.ndarray]:
        """Return the path, the evaluation points and the state of the runs at ``row``, by default of all runs."""
        return [array[row] for array in [*self.path, *self.points, *self.copy_state().values()]]


@dataclass(frozen=True)
class ChainSubject:
    """An optimizer's or a stage's class, with the settings and tensors that it is checked on."""

    cls: type[Configurable]
    shapes: Mapping[str, Shape]
    variants: Sequence[Settings] = field(default_factory=list)

    @property
    def trains_together(self) -> bool:
        """Whether several runs can be trained as one population."""
        return bool(getattr(self.cls, "vectorized", True))

    def chain(self, rows: Sequence[Settings]) -> tuple[Optimizer, Sequence[Stage]]:
        """Return a new optimizer with the stages around it, for one setting per run."""
        part = self.cls.stack(rows)
        return (part, ()) if isinstance(part, Optimizer) else (Descent(), (part,))  # type: ignore[return-value]

    def population(
        self,
        variant: Settings,
        runs: Sequence[int] = (0, 1, 2),
        dtype: Any = np.float64,
        shapes: Mapping[str, Shape] | None = None,
        **more: Any,
    ) -> ChainPopulation:
        """Return a new population: run r has its own quadratic and its own neighbour of ``variant``."""
        rows = spread(self.cls, variant)
        return ChainPopulation(
            self.chain([rows[run % RUNS] for run in runs]), shapes or self.shapes, runs, dtype, **more
        )

    def needs_company(self) -> None:
        """Raise `Skip` if the class trains only one run at a time."""
        if not self.trains_together:
            raise Skip("its runs step one at a time (vectorized = False)")


def chain_subject(cls: type[Configurable]) -> ChainSubject:
    """Return the subject for an optimizer's or a stage's class.

    Raises:
        Skip: it cannot be created or started with any of the known settings and tensors.
    """
    reasons = ["no settings are known to work: give the class `examples`"]
    for shapes in SHAPES:
        subject = ChainSubject(cls, shapes)
        good = [values for values in variants(cls) if _starts(subject, values, reasons)]
        if good:
            return ChainSubject(cls, shapes, good)
    raise Skip(reasons[-1])


def _starts(subject: ChainSubject, values: Settings, reasons: list[str]) -> bool:
    try:
        subject.population(values, (0,))
    except InputError as error:
        reasons.append(str(error))
        return False
    return True
