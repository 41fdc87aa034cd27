"""LAMB."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper
from framework.tensors import trust_ratio


class Lamb(TensorOptimizer):
    """LAMB: Adam's step, rescaled for each tensor to lr times the tensor's norm.

    For each tensor, step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t) + eps_root) + eps) + weight_decay p
        p = p - lr |p| / |u| u                               the ratio is 1 if either norm is 0

    State of one run: m and v in the tensor's shape.

    Source: You et al. 2020, arXiv:1904.00962, Algorithm 2, with the identity for its scaling function.

    Differs from optax.lamb: not at all (optax has no default for lr). Differs from the paper: there are no bounds on
    the ratio; the paper's experiments use neither decay nor ratio for biases and norms, here every tensor has both.
    """

    lr: float = hyper(1e-2, above=0, prior="log", search=(1e-4, 10.0), help="relative length of a step")
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
    eps: float = hyper(1e-6, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    eps_root: float = hyper(0.0, at_least=0, prior="log", search=(1e-16, 1e-6), help="added inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 0.1), help="weight decay, included in u")

    def slots(self, shape):
        return dict(m=(shape, 0), v=(shape, 0))

    def coefficients(h, t):
        first, second = 1 / (1 - h.beta1**t), 1 / (1 - h.beta2**t)
        own = dict(lr=h.lr, b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, first=first, second=second)
        return dict(own, eps=h.eps, eps_root=h.eps_root, weight_decay=h.weight_decay)

    def rule(p, g, s, c):
        s.m = c.b1 * s.m + c.a1 * g
        s.v = c.b2 * s.v + c.a2 * g * g
        u = s.m * c.first / (np.sqrt(s.v * c.second + c.eps_root) + c.eps) + c.weight_decay * p
        return p - c.lr * trust_ratio(p, u) * u


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("lamb", Lamb)
