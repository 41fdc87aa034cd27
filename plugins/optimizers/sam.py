"""Sharpness-aware minimization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from framework import Columns, Objective, Optimizer, OptimizerSpec, Parameters, State, flag, hookimpl, hyper
from framework.tensors import norm

from ._shared.closure import exploring
from .sgd import Sgd


class Sam(Optimizer):
    """SAM: a step of SGD with the gradient of the worst point nearby, for minima that are flat.

    With g the gradient at p, step t is::

        q = p + rho g / |g|                     with ``adaptive``: p + rho p^2 g / |p g|, number by number
        p = SGD's step from p with the gradient at q, on the same batch

    Norms are over all of a run's parameters. SGD is this project's: ``momentum``, ``dampening``, ``weight_decay`` and
    ``nesterov`` mean what they mean there.

    Sources: Foret et al. 2021, arXiv:2010.01412, Algorithm 1, with p = 2; ``adaptive``: Kwon et al. 2021,
    arXiv:2102.11600, Algorithm 1 (ASAM), without its eta; it wants a rho some ten times larger. Defaults for lr and
    momentum are the first paper's; torch has no SAM.

    Differs from optax: ours is its ``opaque_mode`` with two evaluations a step; it has no ``adaptive``. A gradient of
    0 moves q nowhere (optax gets NaN). Stages before the rule (clipping) act on the first gradient only. Batch norm's
    running averages see both points; dropout thins anew for the second.
    """

    couples_tensors = True
    needs_closure = True
    lr: float = hyper(0.1, above=0, prior="log", search=(1e-3, 1.0), help="learning rate")
    rho: float = hyper(
        0.05, at_least=0, prior="log", search=(1e-2, 0.5), help="how far away the worst point is looked for"
    )
    momentum: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.0, 0.99), help="memory of past steps")
    dampening: float = Sgd.dampening
    weight_decay: float = Sgd.weight_decay
    nesterov: bool = Sgd.nesterov
    adaptive: bool = flag(False, help="measure nearness relative to each parameter's size")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Refuse what SGD refuses."""
        return Sgd.constraints(values)

    def coefficients(h, t):
        return {**Sgd.coefficients(h, t), "rho": h.rho}

    @cached_property
    def base(self) -> Sgd:
        """SGD with this optimizer's settings."""
        return Sgd.stack([{name: row[name] for name in Sgd.fields} for row in self.rows])

    def initial_state(self, parameters: Parameters) -> State:
        """Return SGD's state."""
        return self.base.initial_state(parameters)

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Evaluate once more, at the worst point, and step with the gradient found there."""
        p, g = parameters.flat, gradients.flat
        with np.errstate(all="ignore"):  # diverging runs follow IEEE 754 in silence
            scaled = np.abs(p) * g if self.adaptive else g
            size = norm(scaled)
            away = np.where(size > 0, columns["rho"] / size, 0) * (np.abs(p) * scaled if self.adaptive else g)
        with exploring(parameters, gradients, objective) as gradient_at:
            _, slope = gradient_at(p + away)
        sharp = gradients.like()
        sharp.flat[...] = slope
        self.base.step(parameters, sharp, state, columns, objective)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("sam", Sam)
