"""NovoGrad."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper
from framework.tensors import inner


class NovoGrad(TensorOptimizer):
    """NovoGrad: Adam with one second moment per tensor, the mean squared norm of its gradient.

    For each tensor, step t is::

        v = beta2 v + (1 - beta2) |g|^2                      v = |g|^2 at the first step
        m = beta1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p
        p = p - lr m

    m is a sum, not a mean: steps are up to 1 / (1 - beta1) times lr long.

    State of one run: m in the tensor's shape; v, one number per tensor.

    Source: Ginsburg et al. 2019, arXiv:1905.11286, Algorithm 1.

    Differs from optax.novograd: not at all (optax has no default for lr; the default here is the paper's). Differs from
    the paper: the paper's experiments use beta1 0.95 and beta2 0.98.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the sum m")
    beta2: float = hyper(
        0.25, at_least=0, below=1, prior="log 1-x", search=(0.1, 0.999), help="decay rate of the mean squared norm"
    )
    eps: float = hyper(1e-6, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    eps_root: float = hyper(0.0, at_least=0, prior="log", search=(1e-16, 1e-6), help="added inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="weight decay, added to m")

    def slots(self, shape):
        return dict(m=(shape, 0), v=((1,) * len(shape), 0))

    def coefficients(h, t):
        b2 = np.where(t == 1, 0.0, h.beta2)
        return dict(lr=h.lr, b1=h.beta1, b2=b2, a2=1 - b2, eps=h.eps, eps_root=h.eps_root, weight_decay=h.weight_decay)

    def rule(p, g, s, c):
        s.v = c.b2 * s.v + c.a2 * inner(g, g)
        s.m = c.b1 * s.m + g / (np.sqrt(s.v + c.eps_root) + c.eps) + c.weight_decay * p
        return p - c.lr * s.m


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("novograd", NovoGrad)
