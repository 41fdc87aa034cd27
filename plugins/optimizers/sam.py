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
    """SAM: SGD with the gradient at the point of highest loss nearby, to find flat minima.

    With g the gradient at p, step t is::

        q = p + rho g / |g|                     with ``adaptive``: p + rho p^2 g / |p g|, elementwise
        p = SGD's step from p with the gradient at q, on the same batch

    Norms are over all of a run's parameters. SGD is ``sgd``: ``momentum``, ``dampening``, ``weight_decay`` and
    ``nesterov`` have the same meaning there.

    Stages before the rule (clipping) act on the first gradient only. Batch norm's running averages include both points;
    dropout draws another mask for the second. ``adaptive`` needs a rho about ten times larger. The defaults of lr and
    momentum are those of the first paper.

    Sources: Foret et al. 2021, arXiv:2010.01412, Algorithm 1, with p = 2; ``adaptive``: Kwon et al. 2021,
    arXiv:2102.11600, Algorithm 1 (ASAM), without its eta.

    Differs from optax: this rule is optax's ``opaque_mode`` with two evaluations per step; optax has no ``adaptive``.
    If the gradient is 0, q is p (optax gives NaN). Differs from torch: torch has no SAM.
    """

    couples_tensors = True
    needs_closure = True
    tuned = ("lr", "rho")  # the paper searches rho on each data set
    lr: float = hyper(0.1, above=0, prior="log", search=(1e-5, 10.0), help="learning rate")
    rho: float = hyper(0.05, at_least=0, prior="log", search=(1e-2, 0.5), help="distance from p to q")
    momentum: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.0, 0.99), help="momentum coefficient")
    dampening: float = Sgd.dampening
    weight_decay: float = Sgd.weight_decay
    nesterov: bool = Sgd.nesterov
    adaptive: bool = flag(False, help="measure the distance relative to each |p|")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return SGD's error message for the values, or None."""
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
        """Evaluate the gradient at q, and take SGD's step from p with it."""
        p, g = parameters.flat, gradients.flat
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN, without warnings
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
