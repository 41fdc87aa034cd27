"""COCOB-Backprop."""

from __future__ import annotations

from collections.abc import Iterator

from framework import HERE, ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import absolute, maximum


class Cocob(ElementwiseOptimizer):
    """COCOB: step sizes per parameter from coin betting, without a learning rate.

    With x0 the parameters before the first step, g the gradient plus ``weight_decay`` times p, and L starting at
    ``eps``, step t is::

        L = max(L, |g|)                         the largest gradient
        G = G + |g|                             the sum of their sizes
        reward = max(reward - g (p - x0), 0)
        theta = theta - g
        p = x0 + theta / (L max(G + L, alpha L)) (L + reward)

    p is computed from x0 in every step, so that a stage that moves p (weight decay, lookahead) has no lasting effect.

    Source: Orabona & Tommasi 2017, arXiv:1705.07795, Algorithm 2 (COCOB-Backprop). Names and defaults are optax's.

    Differs from the paper: L starts at ``eps`` instead of 0, so that a gradient of 0 moves nothing; the paper has no
    weight decay. Differs from optax: optax has a learning rate, a factor of the gradients that the method nearly
    cancels.
    """

    own_step_size = True
    absent = {"lr": "cocob computes each parameter's step size itself; remove lr"}
    alpha: float = hyper(
        100.0, above=0, prior="log", search=(10.0, 1000.0), help="larger values make the first steps smaller"
    )
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-4), help="initial value of L")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(x0=HERE, theta=0, largest="eps", total=0, reward=0)

    def rule(p, g, x0, theta, largest, total, reward, *, alpha, weight_decay):
        g = g + weight_decay * p
        largest = maximum(largest, absolute(g))
        total = total + absolute(g)
        reward = maximum(reward - g * (p - x0), 0.0)
        theta = theta - g
        bet = theta / (largest * maximum(total + largest, alpha * largest))
        return x0 + bet * (largest + reward), x0, theta, largest, total, reward


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("cocob", Cocob)
