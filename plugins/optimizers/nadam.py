"""NAdam."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper
from framework.elementwise import sqrt


class Nadam(ElementwiseOptimizer):
    """NAdam: Adam with Nesterov momentum, whose coefficient grows during the first steps.

    With g the gradient plus ``weight_decay`` times p, step t is::

        mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2)
        M(t)  = mu(1) mu(2) ... mu(t)
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        n = (1 - mu(t)) / (1 - M(t)) g + mu(t+1) / (1 - M(t+1)) m
        p = p - lr n / (sqrt(v / (1 - beta2^t)) + eps)

    With ``decoupled_weight_decay``, g is the gradient alone, and p is first multiplied by ``1 - lr weight_decay``.

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam", ICLR workshop, Algorithm 2.

    Differs from torch: not at all. Differs from the paper: the paper multiplies v by beta2 once more inside the root;
    torch, Keras, optax and this rule do not. Differs from optax: optax has no mu, only beta1 (see ``nadamw``). Differs
    from Keras: momentum_decay is fixed there, lr is 1e-3 and eps 1e-7.
    """

    lr: float = hyper(2e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
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
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty or decay")
    momentum_decay: float = hyper(
        4e-3, at_least=0, prior="log", search=(1e-4, 0.1), help="how fast mu approaches beta1"
    )
    decoupled_weight_decay: bool = flag(False, help="apply weight_decay to p, not to g")
    slots = dict(m=0, v=0)
    scalars = dict(mu_product=1.0)

    def coefficients(h, t):
        mu = h.beta1 * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))
        mu_next = h.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * h.momentum_decay))
        each = np.broadcast_to(mu, (len(t), *h.mu_product.shape))
        mu_product = np.multiply.accumulate(np.concatenate([h.mu_product[None], each]))[1:]
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            fresh=h.lr * (1 - mu) / (1 - mu_product),
            ahead=h.lr * mu_next / (1 - mu_product * mu_next),
            root=1 / (1 - h.beta2**t) ** 0.5,
            eps=h.eps,
            wd=h.weight_decay,
            shrink=1 - h.lr * h.weight_decay,
            mu_product=mu_product,
        )

    def rule(p, g, m, v, *, b1, a1, b2, a2, fresh, ahead, root, eps, wd, shrink, decoupled_weight_decay):
        if decoupled_weight_decay:
            p = shrink * p
        else:
            g = g + wd * p
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        return p - (fresh * g + ahead * m) / (sqrt(v) * root + eps), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("nadam", Nadam)
