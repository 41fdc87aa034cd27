"""Aggregated momentum."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class Aggmo(ElementwiseOptimizer):
    """AggMo: the mean of three momentum updates with different coefficients.

    With g the gradient plus ``weight_decay`` times p, each step is::

        vi = betai vi + g                       for i = 1, 2, 3
        p  = p - lr (v1 + v2 + v3) / 3

    The default betas are the paper's: its exponential form 1 - a^i for i = 0, 1, 2 with a = 0.1. Under a constant
    gradient, the step grows to lr times the mean of 1 / (1 - betai) times g: 37 lr g by default.

    Source: Lucas et al. 2019, arXiv:1804.00325, equation 3 (its v has the other sign).

    Differs from the authors' code: the code takes any number of betas (three here, so that each can be swept), and has
    no default for lr.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-5, 1.0), help="learning rate")
    beta1: float = hyper(
        0.0, at_least=0, below=1, prior="log 1-x", search=(0.0, 0.5), help="momentum coefficient of v1"
    )
    beta2: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.95), help="momentum coefficient of v2"
    )
    beta3: float = hyper(
        0.99, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.999), help="momentum coefficient of v3"
    )
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(v1=0, v2=0, v3=0)

    def coefficients(h, t):
        return dict(b1=h.beta1, b2=h.beta2, b3=h.beta3, step=h.lr / 3, weight_decay=h.weight_decay)

    def rule(p, g, v1, v2, v3, *, b1, b2, b3, step, weight_decay):
        g = g + weight_decay * p
        v1 = b1 * v1 + g
        v2 = b2 * v2 + g
        v3 = b3 * v3 + g
        return p - step * (v1 + v2 + v3), v1, v2, v3


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("aggmo", Aggmo)
