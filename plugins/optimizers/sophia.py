"""Sophia."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import (
    Columns,
    Objective,
    Optimizer,
    OptimizerSpec,
    Parameters,
    State,
    choice,
    hookimpl,
    hyper,
    integer,
    normal,
)
from framework.tensors import norm

from ._shared.closure import exploring


class Sophia(Optimizer):
    """Sophia: momentum divided by a running estimate of the Hessian's diagonal, clipped per parameter.

    With g the gradient and an estimate c, computed only at t = 1, 1 + ``update_interval``, ..., step t is::

        m = beta1 m + (1 - beta1) g
        h = beta2 h + (1 - beta2) c             only in the steps that compute c
        p = p - lr weight_decay p - lr clip(m / max(gamma h, eps), ``clip_threshold``)

    c = u H u, elementwise (Hutchinson), with u random signs (``probe=rademacher``) or normal numbers. The
    Hessian-vector product is not exact: H u = (g(p + k u) - g(p - k u)) / (2 k), a central difference of two more
    gradients of the same batch, with k = cbrt(machine epsilon) (1 + |p|) / |u|. u depends only on the run's seed and
    the number of the estimate.

    Dropout draws another mask for each gradient, and this noise exceeds the difference: use Sophia without dropout.
    Batch norm's running averages include the two points too.

    Source: Liu et al. 2023, arXiv:2305.14342, Algorithm 3 with Algorithm 1. Names and defaults are optax's; its b1 and
    b2 are beta1 and beta2 here, its ``random_seed`` is the run's seed.

    Differs from the paper: the Hessian-vector product is a difference instead of exact, and u is by default signs
    instead of normal numbers. The paper's Gauss-Newton-Bartlett estimate (Algorithm 2) is not implemented: it needs
    labels drawn from the model's predictions, to which an optimizer has no access. Differs from optax: optax corrects
    m's bias, and steps with the h from before the step.
    """

    couples_tensors = True
    needs_closure = True
    tuned = ("lr", "gamma")  # the paper chooses gamma by the share of parameters whose step is clipped
    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 1.0), help="learning rate")
    beta1: float = hyper(
        0.965, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.99, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.999), help="decay rate of the mean of estimates"
    )
    eps: float = hyper(
        1e-8, above=0, prior="log", search=(1e-15, 1e-4), help="lower bound of the divisor, also if h < 0"
    )
    weight_decay: float = hyper(1e-4, at_least=0, prior="log", search=(1e-6, 1e-1), help="decoupled decay, times lr")
    gamma: float = hyper(0.01, above=0, prior="log", search=(1e-3, 0.1), help="factor of h in the divisor")
    clip_threshold: float = hyper(
        1.0, above=0, prior="log", search=(0.1, 10.0), help="largest step / lr of each parameter"
    )
    update_interval: int = integer(10, at_least=1, help="steps between two estimates")
    probe: str = choice("rademacher", ("rademacher", "normal"), help="distribution of the random vectors u")

    def coefficients(h, t):
        moments = dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2)
        step = dict(lr=h.lr, eps=h.eps, gamma=h.gamma, clip=h.clip_threshold, decay=h.lr * h.weight_decay)
        return dict(**moments, **step)

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return the coefficients; ``probe`` is the number of the estimate that a step computes, or -1 if none."""
        rows = super().table(steps, factors, state)
        number, late = np.divmod(steps - 1, self.update_interval)
        probe = np.where(late == 0, number, -1).reshape(-1, 1, 1)
        return {**rows, "probe": np.broadcast_to(probe, next(iter(rows.values())).shape)}

    def initial_state(self, parameters: Parameters) -> State:
        """Return momentum and curvature, both 0."""
        return {"m": np.zeros_like(parameters.flat), "h": np.zeros_like(parameters.flat)}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Estimate the curvature if the step requires it, then take the step."""
        p, g, c = parameters.flat, gradients.flat, columns
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN, without warnings
            state["m"][...] = c["b1"] * state["m"] + c["a1"] * g
            number = int(c["probe"].flat[0])
            if number >= 0:
                curvature = self._curvature(parameters, gradients, objective, number)
                state["h"][...] = c["b2"] * state["h"] + c["a2"] * curvature
            ratio = state["m"] / np.maximum(c["gamma"] * state["h"], c["eps"])
            p[...] = p - c["decay"] * p - c["lr"] * np.clip(ratio, -c["clip"], c["clip"])

    def _curvature(
        self, parameters: Parameters, gradients: Parameters, objective: Objective, number: int
    ) -> np.ndarray:
        """Return an estimate of the Hessian's diagonal, ``(R, size)``, from two gradients on either side of p."""
        p = parameters.flat.copy()
        u = self._probe(number, parameters.size).astype(p.dtype)
        length = (np.cbrt(np.finfo(p.dtype).eps) * (1 + norm(p)) / norm(u)).astype(p.dtype)
        with exploring(parameters, gradients, objective) as gradient_at:
            _, ahead = gradient_at(p + length * u)
            _, behind = gradient_at(p - length * u)
        return u * (ahead - behind) / (2 * length)

    def _probe(self, number: int, size: int) -> np.ndarray:
        """Return the random vectors of the estimate with this number, ``(R, size)``, or one for all runs."""
        drawn = normal(self.seeds, size, "sophia", number)
        return np.copysign(1.0, drawn) if self.probe == "rademacher" else drawn


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("sophia", Sophia)
