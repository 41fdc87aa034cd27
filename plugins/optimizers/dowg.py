"""Distance over weighted gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import HERE, OptimizerSpec, Shape, Start, TensorOptimizer, hookimpl, hyper, number
from framework.tensors import inner


class Dowg(TensorOptimizer):
    """DoWG: DoG with each squared gradient norm weighted by the largest squared distance up to its step.

    With x0 the parameters before the first step and g the gradient plus ``weight_decay`` times p, step t is::

        d = max(d, |p - x0|^2)                  d starts at ``init_estim_sq_dist``
        v = v + d |g|^2
        p = p - lr d / (sqrt(v) + eps) g

    Norms are over all of a run's parameters. If ``init_estim_sq_dist`` is null, it is ``eps``.

    Source: Khaled, Mishchenko & Jin 2023, arXiv:2305.16284, Algorithm 1. Names and defaults are optax's.

    Differs from optax: not at all. Differs from the paper: the paper has no ``eps`` in the divisor; ``lr`` is 1 there;
    here a schedule acts on it.

    Its steps are longer than DoG's: with small, noisy batches, a run with lr = 1 may diverge and one with 0.3 to 0.5
    may not.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 100.0), help="factor of the step that is found")
    init_estim_sq_dist: float | None = number(None, above=0, help="initial d, a squared distance; null: eps")
    eps: float = hyper(1e-4, above=0, prior="log", search=(1e-8, 1e-2), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return the start, the largest squared distance and the weighted sum of squared gradient norms."""
        guess = "eps" if self.init_estim_sq_dist is None else self.init_estim_sq_dist
        return dict(x0=(shape, HERE), squared_distance=((1,), guess), weighted=((1,), 0.0))

    def rule(p, g, s, c):
        """Measure the distance, then step."""
        g = g + c.weight_decay * p
        gone = p - s.x0
        s.squared_distance = np.maximum(s.squared_distance, inner(gone, gone))
        s.weighted = s.weighted + s.squared_distance * inner(g, g)
        return p - c.lr * s.squared_distance / (np.sqrt(s.weighted) + c.eps) * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("dowg", Dowg)
