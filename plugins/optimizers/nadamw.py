"""NAdamW."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class Nadamw(ElementwiseOptimizer):
    """NAdamW: AdamW with Nesterov momentum.

    Step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        n = beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t)
        p = p (1 - lr weight_decay) - lr n / (sqrt(v / (1 - beta2^t) + eps_root) + eps)

    Sources: Dozat 2016, "Incorporating Nesterov momentum into Adam", ICLR workshop, Algorithm 2, with constant momentum
    and without its second beta2 inside the root; Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2 (the decay).

    Differs from optax: not at all (optax has no default for lr; the default here is AdamW's). Differs from ``nadam``
    with ``decoupled_weight_decay``: the momentum coefficient grows with t there.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.9, 0.9999),
        help="decay rate of the mean of squared gradients",
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    eps_root: float = hyper(0.0, at_least=0, prior="log", search=(1e-16, 1e-6), help="added inside the root")
    weight_decay: float = hyper(1e-4, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            ahead=h.lr * h.beta1 / (1 - h.beta1 ** (t + 1)),
            fresh=h.lr * (1 - h.beta1) / (1 - h.beta1**t),
            unbias=1 / (1 - h.beta2**t),
            eps=h.eps,
            eps_root=h.eps_root,
            shrink=1 - h.lr * h.weight_decay,
        )

    def rule(p, g, m, v, *, b1, a1, b2, a2, ahead, fresh, unbias, eps, eps_root, shrink):
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        return shrink * p - (ahead * m + fresh * g) / (sqrt(v * unbias + eps_root) + eps), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("nadamw", Nadamw)
