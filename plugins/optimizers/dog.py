"""Distance over gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import HERE, OptimizerSpec, Shape, Start, TensorOptimizer, choice, hookimpl, hyper
from framework.tensors import norm


class Dog(TensorOptimizer):
    """DoG: step size = largest distance from the start / root of the sum of squared gradient norms.

    With x0 the parameters before the first step and g the gradient plus ``weight_decay`` times p, step t is::

        r = max(r, |p - x0|)
        G = G + |g|^2
        p = p - lr r / sqrt(G + eps) g

    Norms are over all of a run's parameters. Because the distance is 0 at the first step, ``init_step`` sets its size:
    ``heuristic`` starts r at ``init_step_value`` (1 + |x0|), ``distance`` starts r at ``init_step_value``, and
    ``learning_rate`` uses ``init_step_value`` as the factor of g at t = 1.

    The authors recommend averaging the iterates, for which there are stages.

    Source: Ivgi, Hinder & Carmon 2023, arXiv:2302.12022, equation DoG and section 2. Names and defaults are optax's;
    its pair ``init_step`` is two fields here.

    Differs from optax: not at all. Differs from the paper: ``lr`` is 1 there; here a schedule acts on it.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 100.0), help="factor of the computed step size")
    init_step: str = choice(
        "heuristic", ("heuristic", "distance", "learning_rate"), help="how the first step size is set"
    )
    init_step_value: float = hyper(
        1e-6, above=0, prior="log", search=(1e-7, 1e-3), help="the number that init_step uses"
    )
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-4), help="added to G, inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return the start, the largest distance and the sum of squared gradient norms."""
        return dict(x0=(shape, HERE), distance=((1,), 0.0), squares=((1,), 0.0))

    def coefficients(h, t):
        first = np.where(t == 1, 1.0, 0.0)
        return dict(lr=h.lr, value=h.init_step_value, eps=h.eps, weight_decay=h.weight_decay, first=first)

    def rule(p, g, s, c):
        """Update the distance, then take the step."""
        g = g + c.weight_decay * p
        least = {"heuristic": c.value * (1 + norm(s.x0)), "distance": c.value, "learning_rate": 0 * c.value}
        s.distance = np.maximum(np.maximum(s.distance, least[c.init_step]), norm(p - s.x0))
        s.squares = s.squares + norm(g) ** 2
        step = s.distance / np.sqrt(s.squares + c.eps)
        if c.init_step == "learning_rate":
            step = np.where(c.first > 0, c.value, step)
        return p - c.lr * step * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("dog", Dog)
