"""Adan."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt, where


class Adan(ElementwiseOptimizer):
    """Adan: Nesterov momentum from the change of the gradient, scaled by its root mean square.

    With d the change of g since the last step (0 at t = 1), step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) d
        n = beta3 n + (1 - beta3) (g + beta2 d)^2
        u = m / (1 - beta1^t) + beta2 v / (1 - beta2^t)
        p = p (1 - lr weight_decay) - lr u / (sqrt(n / (1 - beta3^t) + eps_root) + eps)

    The betas are decay rates as in the authors' code and in optax. The default of lr is that of the authors' code.

    Source: Xie et al. 2022, arXiv:2208.06677, Algorithm 1.

    Differs from optax 0.2.8: optax multiplies d and v by 1 - beta2, but the paper and the authors' code by beta2 (in
    this notation); for beta2 = 0.5 they agree. optax pull request 1715 corrects this. Differs from the paper: the
    paper's betas are 1 minus these; the decay is that of optax (the authors' ``no_prox``), but the paper divides by 1 +
    lr weight_decay; eps_root is 0 in the paper.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.98, at_least=0, below=1, prior="log 1-x", search=(0.8, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.92,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.5, 0.99),
        help="decay rate of the mean of gradient changes",
    )
    beta3: float = hyper(
        0.99, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the mean of squares"
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    eps_root: float = hyper(1e-8, at_least=0, prior="log", search=(1e-16, 1e-6), help="added inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    slots = dict(m=0, v=0, n=0, last=0)

    def coefficients(h, t):
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            b3=h.beta3,
            a3=1 - h.beta3,
            change=where(t == 1, 0.0, 1.0),
            step=h.lr / (1 - h.beta1**t),
            ahead=h.lr * h.beta2 / (1 - h.beta2**t),
            unbias=1 / (1 - h.beta3**t),
            eps=h.eps,
            eps_root=h.eps_root,
            shrink=1 - h.lr * h.weight_decay,
        )

    def rule(p, g, m, v, n, last, *, b1, a1, b2, a2, b3, a3, change, step, ahead, unbias, eps, eps_root, shrink):
        d = change * (g - last)
        m = b1 * m + a1 * g
        v = b2 * v + a2 * d
        n = b3 * n + a3 * (g + b2 * d) ** 2
        return shrink * p - (step * m + ahead * v) / (sqrt(n * unbias + eps_root) + eps), m, v, n, g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adan", Adan)
