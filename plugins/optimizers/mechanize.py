"""Mechanic around any optimizer that has a learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from framework import (
    Columns,
    Objective,
    Optimizer,
    OptimizerSpec,
    Parameters,
    State,
    find,
    flag,
    hookimpl,
    hyper,
    integer,
    text,
)
from framework.tensors import inner, norm

BASE = "base/"


class Mechanize(Optimizer):
    """Mechanic: learns the scale of the summed updates of a base optimizer.

    With x0 the parameters before the first step, u the base's step for the gradient g, one m, v, r and s (initially
    ``s_init``) for each of the ``num_betas`` decay rates b = 0.9, 0.99, 0.999, ..., and S the sum of all s, step t is::

        D = (x0 - p) / (S + eps)                            with ``store_delta``, the stored D
        h = <g + weight_decay S |g| / (|p| + eps) p, D>     over all of a run's parameters
        m = max(b m, |h| + eps)
        v = b^2 v + h^2
        r = b r + clip(h, m) s                              clip uses the m of the last step
        s = (s_init / num_betas m + max(r, 0)) / (sqrt(v) + eps)
        p = x0 - S (D - u)

    ``base`` is the base's registered name. The base has its own defaults, except for lr, which is this ``lr`` with its
    schedule.

    ``store_delta`` avoids the rounding error of computing D from p, but a stage that moves p (weight decay, lookahead)
    then has no lasting effect.

    Source: Cutkosky, Defazio & Mehta 2023, arXiv:2306.00144, Algorithm 1. Names and defaults are optax's;
    ``store_delta`` is from the authors' code.

    Differs from the paper: h is clipped, as in the authors' code and optax. Differs from optax: not at all.
    """

    couples_tensors = True
    lr: float = hyper(
        1.0, above=0, prior="log", search=(1e-2, 1e3), help="the base's learning rate, which S multiplies"
    )
    base: str = text("adam", help="the optimizer whose steps are scaled")
    weight_decay: float = hyper(
        1e-2, at_least=0, prior="log", search=(1e-4, 1e-1), help="weight decay, relative to S |g| / |p|"
    )
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-6), help="added to the divisors and to |h|")
    s_init: float = hyper(1e-6, above=0, prior="log", search=(1e-8, 1e-4), help="initial value of each s")
    num_betas: int = integer(6, at_least=1, at_most=15, help="number of decay rates b, the first 0.9")
    store_delta: bool = flag(False, help="store D instead of computing it from p")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return an error message unless the base's step is lr times a direction from gradients only, else None."""
        base: Any = find("optimizer", values["base"]).cls
        moves = base.evaluation_point is not Optimizer.evaluation_point
        if "lr" not in base.fields or base.needs_closure or base.needs_loss or base.scalars or moves:
            return f"base={values['base']} cannot be scaled: choose one with a learning rate that uses gradients only"
        if not base.vectorized or base.external:
            home = f" in {base.external}" if base.external else ""
            return f"base={values['base']} steps one run at a time{home}: choose one that steps several runs at once"
        return None

    @cached_property
    def inside(self) -> Optimizer:
        """The base optimizer, with this optimizer's learning rates."""
        cls: Any = find("optimizer", self.base).cls
        rates = [{"lr": row["lr"]} for row in self.rows]
        made: Optimizer = cls.stack(rates, f"mechanize base {self.base}", seeds=self.seeds)
        return made

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return this optimizer's coefficients, and the base's under ``base/``."""
        inside = self.inside.table(steps, factors, {})
        return super().table(steps, factors, state) | {BASE + name: rows for name, rows in inside.items()}

    def initial_state(self, parameters: Parameters) -> State:
        """Return the initial parameters, the running means, and the base's state under ``base/``."""
        runs, dtype = parameters.runs, parameters.dtype
        state = {name: np.zeros((runs, self.num_betas), dtype) for name in ("m", "v", "r")}
        state["s"] = np.broadcast_to(self.s_init, state["m"].shape).astype(dtype)
        state["x0"] = parameters.flat.copy()
        if self.store_delta:
            state["delta"] = np.zeros_like(parameters.flat)
        inside = self.inside.start(parameters, self.first_factor)
        return state | {BASE + name: array for name, array in inside.items()}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: State, columns: Columns, objective: Objective
    ) -> None:
        """Take the base's step on a copy, update the scale, and set p."""
        moved = parameters.like()
        moved.flat[...] = parameters.flat
        self.inside.step(moved, gradients, _of_base(state), _of_base(columns), objective)
        p, eps = parameters.flat, columns["eps"]
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN, without warnings
            factor = state["s"].sum(axis=1, keepdims=True)
            delta = state["delta"] if self.store_delta else (state["x0"] - p) / (factor + eps)
            new = delta - (moved.flat - p)
            pull = columns["weight_decay"] * factor * norm(gradients.flat) / (norm(p) + eps)
            self._learn(inner(gradients.flat + pull * p, delta), state, columns)
            if self.store_delta:
                state["delta"][...] = new
            p[...] = state["x0"] - state["s"].sum(axis=1, keepdims=True) * new

    def _learn(self, h: np.ndarray, state: State, columns: Columns) -> None:
        """Update the running means with ``h`` ``(R, 1)``, and s ``(R, num_betas)`` from them."""
        m, v, r, s = (state[name] for name in "mvrs")
        eps, share = columns["eps"], columns["s_init"] / m.dtype.type(self.num_betas)
        b = (1 - 0.1 ** np.arange(1, self.num_betas + 1)).astype(m.dtype)
        clipped = np.clip(h, -m, m)
        m[...] = np.maximum(b * m, np.abs(h) + eps)
        v[...] = b**2 * v + h**2
        r[...] = b * r + clipped * s
        s[...] = (share * m + np.maximum(r, 0)) / (np.sqrt(v) + eps)


def _of_base(named: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(BASE): array for name, array in named.items() if name.startswith(BASE)}


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("mechanize", Mechanize)
