"""Lion."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign


class Lion(ElementwiseOptimizer):
    """Lion: step by the sign of a mean of momentum and gradient.

    Each step is::

        c = beta1 m + (1 - beta1) g
        p = p (1 - lr weight_decay) - lr sign(c)
        m = beta2 m + (1 - beta2) g

    Good values of lr are 3 to 10 times smaller than Adam's; those of weight_decay are larger by the same factor.

    Source: Chen et al. 2023, arXiv:2302.06675, Algorithm 2.

    Differs from optax: not at all (optax has no default for lr; the default here is the paper's). Differs from the
    paper: not at all; the paper gives no default for the decay.
    """

    lr: float = hyper(1e-4, above=0, prior="log", search=(1e-5, 1.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="weight of the momentum in the step"
    )
    beta2: float = hyper(
        0.99, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.999), help="decay rate of the mean of gradients"
    )
    weight_decay: float = hyper(1e-3, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    slots = dict(m=0)

    def coefficients(h, t):
        shrink = 1 - h.lr * h.weight_decay
        return dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, lr=h.lr, shrink=shrink)

    def rule(p, g, m, *, b1, a1, b2, a2, lr, shrink):
        return shrink * p - lr * sign(b1 * m + a1 * g), b2 * m + a2 * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("lion", Lion)
