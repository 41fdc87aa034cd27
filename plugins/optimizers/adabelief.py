"""AdaBelief."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper
from framework.elementwise import sqrt


class Adabelief(ElementwiseOptimizer):
    """AdaBelief: Adam that divides by the root mean square deviation of the gradient from its mean.

    Step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) (g - m)^2 + eps_root
        p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    With ``nesterov``, ``beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t)`` takes the place of
    ``m / (1 - beta1^t)``.

    As in the paper, eps_root is added to v at each step, so that it accumulates.

    Source: Zhuang et al. 2020, arXiv:2010.07468, Algorithm 2.

    Differs from optax: not at all (optax has no default for lr; the default here is the paper's). Differs from the
    paper: the paper has one eps, 1e-8, in both places; ``nesterov`` is optax's.
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
        help="decay rate of the mean of squared deviations",
    )
    eps: float = hyper(1e-16, at_least=0, prior="log", search=(1e-16, 1e-3), help="added to the root")
    eps_root: float = hyper(1e-16, at_least=0, prior="log", search=(1e-16, 1e-6), help="added to v at each step")
    nesterov: bool = flag(False, help="use Nesterov momentum")
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            step=h.lr / (1 - h.beta1**t),
            ahead=h.lr * h.beta1 / (1 - h.beta1 ** (t + 1)),
            fresh=h.lr * (1 - h.beta1) / (1 - h.beta1**t),
            root=1 / (1 - h.beta2**t) ** 0.5,
            eps=h.eps,
            eps_root=h.eps_root,
        )

    def rule(p, g, m, v, *, b1, a1, b2, a2, step, ahead, fresh, root, eps, eps_root, nesterov):
        m = b1 * m + a1 * g
        v = b2 * v + a2 * (g - m) ** 2 + eps_root
        move = ahead * m + fresh * g if nesterov else step * m
        return p - move / (sqrt(v) * root + eps), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adabelief", Adabelief)
