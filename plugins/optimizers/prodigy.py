"""Prodigy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import HERE, OptimizerSpec, Shape, Start, TensorOptimizer, flag, hookimpl, hyper, number
from framework.tensors import inner


class Prodigy(TensorOptimizer):
    """Prodigy: Adam whose learning rate is an estimate d of the distance from the start to the solution.

    With x0 the parameters before the first step, d starting at ``estim_lr0`` and e = lr d, step t is::

        r = beta3 r + d e <g, x0 - p> / estim_lr0           inner product over all of a run's parameters
        s = beta3 s + d e g / estim_lr0                     with ``safeguard_warmup``: d d g, without lr
        m = beta1 m + (1 - beta1) d g
        v = beta2 v + (1 - beta2) (d g)^2
        d = max(d, estim_lr_coef r / |s|_1)                 |.|_1 over all of a run's parameters
        p = p - e m / (sqrt(v) + d eps) - e weight_decay p

    With ``use_bias_correction``, e is multiplied by Adam's factor sqrt(1 - beta2^t) / (1 - beta1^t). Without
    ``decouple``, ``weight_decay`` times p is added to g instead of the last term. If ``beta3`` is null, it is
    sqrt(beta2). All state has the parameters' dtype.

    Source: Mishchenko & Defazio 2023, arXiv:2306.06101, Algorithm 4 (the Adam form). Names and defaults are optax's;
    ``use_bias_correction`` and ``decouple`` are from the authors' code.

    Differs from optax: only while all gradients are 0, when d and p do not change (optax gives NaN). Differs from the
    paper: the paper has no bias correction, and multiplies eps in step t by the d before that step. Differs from the
    authors' code: bias correction is off by default there.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 100.0), help="factor of the estimated distance")
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
    beta3: float | None = number(None, at_least=0, below=1, help="decay rate of r and s; null: sqrt(beta2)")
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-3), help="added to the root, times d")
    estim_lr0: float = hyper(1e-6, above=0, prior="log", search=(1e-8, 1e-4), help="initial d; choose it far too small")
    estim_lr_coef: float = hyper(1.0, above=0, prior="log", search=(0.5, 2.0), help="factor of each new estimate")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-1), help="weight decay, times e")
    safeguard_warmup: bool = flag(False, help="leave lr out of s")
    use_bias_correction: bool = flag(True, help="Adam's bias correction")
    decouple: bool = flag(True, help="apply weight_decay to p, not to g")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return Adam's two moments, the initial parameters, and the state of the distance estimate."""
        like: dict[str, Start] = dict.fromkeys(("m", "v", "s"), (shape, 0.0))
        return dict(**like, x0=(shape, HERE), r=((1,), 0.0), d=((1,), "estim_lr0"))

    def coefficients(h, t):
        bias = (1 - h.beta2**t) ** 0.5 / (1 - h.beta1**t)
        memory = dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, root=h.beta2**0.5)
        estimate = dict(inverse=1 / h.estim_lr0, coefficient=h.estim_lr_coef)
        return dict(lr=h.lr, corrected=h.lr * bias, eps=h.eps, weight_decay=h.weight_decay, **memory, **estimate)

    def rule(p, g, s, c):
        """Estimate the distance, then take Adam's step."""
        if not c.decouple:
            g = g + c.weight_decay * p
        d, b3 = s.d, c.root if c.beta3 is None else c.beta3
        e = d * (c.corrected if c.use_bias_correction else c.lr)
        s.r = b3 * s.r + d * c.inverse * e * inner(g, s.x0 - p)
        s.s = b3 * s.s + d * c.inverse * (d if c.safeguard_warmup else e) * g
        s.m = c.b1 * s.m + c.a1 * d * g
        s.v = c.b2 * s.v + c.a2 * (d * g) ** 2
        size = np.abs(s.s).sum(axis=1, keepdims=True)
        s.d = np.where(size > 0, np.maximum(d, c.coefficient * s.r / size), d)
        shrunk = p - e * c.weight_decay * p if c.decouple else p
        move = s.m / (np.sqrt(s.v) + s.d * c.eps)
        return shrunk - e * move


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("prodigy", Prodigy)
