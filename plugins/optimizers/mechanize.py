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
    """Mechanic: adds up what a base optimizer would do, and learns the factor by which to do it.

    With x0 the parameters before the first step, u the step that the base takes with the gradient g, and for each of
    the ``num_betas`` memories b = 0.9, 0.99, 0.999, ... its own m, v, r and s (s at first ``s_init``), S the sum of
    their s, step t is::

        D = (x0 - p) / (S + eps)                            with ``store_delta``, the D that was kept
        h = <g + weight_decay S |g| / (|p| + eps) p, D>     over all of a run's parameters
        m = max(b m, |h| + eps)
        v = b^2 v + h^2
        r = b r + clip(h, m) s                              clip with the m before
        s = (s_init / num_betas m + max(r, 0)) / (sqrt(v) + eps)
        p = x0 - S (D - u)

    The base is registered under the name ``base`` and keeps its own defaults, apart from lr, which is this ``lr`` with
    its schedule.

    Source: Cutkosky, Defazio & Mehta 2023, arXiv:2306.00144, Algorithm 1. Names and defaults are optax's;
    ``store_delta`` is the authors' code's.

    Differs from the paper: the clipping of h, as in the authors' code and optax. Differs from optax: not at all. With
    ``store_delta`` nothing is lost to rounding, but a stage that moves p (decay, look-ahead) has no lasting effect.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(0.1, 3.0), help="the base's learning rate, which S multiplies")
    base: str = text("adam", help="the optimizer whose steps are scaled")
    weight_decay: float = hyper(1e-2, at_least=0, prior="log", search=(1e-4, 1e-1), help="pull of S towards 0")
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-6), help="keeps divisors from 0")
    s_init: float = hyper(1e-6, above=0, prior="log", search=(1e-8, 1e-4), help="first factor of each memory")
    num_betas: int = integer(6, at_least=1, at_most=15, help="how many memories, 0.9 the shortest")
    store_delta: bool = flag(False, help="keep D instead of working it out from p")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Refuse a base whose step is not lr times a direction from gradients alone."""
        base: Any = find("optimizer", values["base"]).cls
        moves = base.evaluation_point is not Optimizer.evaluation_point
        if "lr" not in base.fields or base.needs_closure or base.needs_loss or base.scalars or moves:
            return f"base={values['base']} cannot be scaled: choose one with a learning rate and from gradients alone"
        if not base.vectorized or base.external:
            home = f" in {base.external}" if base.external else ""
            return f"base={values['base']} steps one run at a time{home}: choose one that steps several at once"
        return None

    @cached_property
    def inside(self) -> Optimizer:
        """The base optimizer, its learning rates those of this one."""
        cls: Any = find("optimizer", self.base).cls
        rates = [{"lr": row["lr"]} for row in self.rows]
        made: Optimizer = cls.stack(rates, f"mechanize base {self.base}", seeds=self.seeds)
        return made

    def table(self, steps: np.ndarray, factors: np.ndarray, state: State) -> dict[str, np.ndarray]:
        """Return this optimizer's coefficients, and the base's under ``base/``."""
        inside = self.inside.table(steps, factors, {})
        return super().table(steps, factors, state) | {BASE + name: rows for name, rows in inside.items()}

    def initial_state(self, parameters: Parameters) -> State:
        """Return the start, the memories and the base's state under ``base/``."""
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
        """Let the base step on a copy, learn the factor, and place p."""
        moved = parameters.like()
        moved.flat[...] = parameters.flat
        self.inside.step(moved, gradients, _of_base(state), _of_base(columns), objective)
        p, eps = parameters.flat, columns["eps"]
        with np.errstate(all="ignore"):  # diverging runs follow IEEE 754 in silence
            factor = state["s"].sum(axis=1, keepdims=True)
            delta = state["delta"] if self.store_delta else (state["x0"] - p) / (factor + eps)
            new = delta - (moved.flat - p)
            pull = columns["weight_decay"] * factor * norm(gradients.flat) / (norm(p) + eps)
            self._learn(inner(gradients.flat + pull * p, delta), state, columns)
            if self.store_delta:
                state["delta"][...] = new
            p[...] = state["x0"] - state["s"].sum(axis=1, keepdims=True) * new

    def _learn(self, h: np.ndarray, state: State, columns: Columns) -> None:
        """Take ``h`` ``(R, 1)`` into the memories and find their new s, ``(R, num_betas)``."""
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
