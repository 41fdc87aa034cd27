"""D-Adaptation with Adam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import OptimizerSpec, Shape, Start, TensorOptimizer, flag, hookimpl, hyper
from framework.tensors import inner


class DAdaptAdam(TensorOptimizer):
    """D-Adaptation: Adam whose learning rate is a lower bound d of the distance from start to solution.

    With d starting at ``estim_lr0``, e = lr d and b = sqrt(beta2), step t is::

        r = b r + (1 - b) e <g, s / (sqrt(v) + eps)>        inner product over all of a run's parameters
        m = beta1 m + (1 - beta1) e g
        v = beta2 v + (1 - beta2) g^2
        s = b s + (1 - b) e g
        d = max(d, r / ((1 - b) |s|_1))                     |.|_1 over all of a run's parameters
        p = p - m / (sqrt(v) + eps) - e weight_decay p

    With ``use_bias_correction``, e is multiplied by Adam's factor sqrt(1 - beta2^t) / (1 - beta1^t). Without
    ``decouple``, ``weight_decay`` times p is added to g instead of the last term.

    All state has the parameters' dtype.

    Source: Defazio & Mishchenko 2023, arXiv:2301.07733, Algorithm 5 (Adam with D-Adaptation). Names and defaults are
    those of optax's ``dadapt_adamw``; ``use_bias_correction`` and ``decouple`` are from the authors' code.

    Differs from optax: only while all gradients are 0, when d and p do not change (optax gives NaN). Differs from the
    paper: the paper has no weight decay and no bias correction. Differs from the authors' code: both flags are off by
    default there.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(1e-2, 1e3), help="factor of the estimated distance")
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
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    estim_lr0: float = hyper(1e-6, above=0, prior="log", search=(1e-8, 1e-4), help="initial d; choose it far too small")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-1), help="weight decay, times e")
    use_bias_correction: bool = flag(True, help="Adam's bias correction")
    decouple: bool = flag(True, help="apply weight_decay to p, not to g")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return Adam's two moments and the state of the distance estimate."""
        like: dict[str, Start] = dict.fromkeys(("m", "v", "s"), (shape, 0.0))
        return dict(**like, r=((1,), 0.0), d=((1,), "estim_lr0"))

    def coefficients(h, t):
        bias = (1 - h.beta2**t) ** 0.5 / (1 - h.beta1**t)
        root = h.beta2**0.5
        memory = dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, b=root, a=1 - root)
        return dict(lr=h.lr, corrected=h.lr * bias, eps=h.eps, weight_decay=h.weight_decay, **memory)

    def rule(p, g, s, c):
        """Estimate the distance, then take Adam's step."""
        if not c.decouple:
            g = g + c.weight_decay * p
        e = s.d * (c.corrected if c.use_bias_correction else c.lr)
        s.r = c.b * s.r + c.a * e * inner(g, s.s / (np.sqrt(s.v) + c.eps))
        s.m = c.b1 * s.m + c.a1 * e * g
        s.v = c.b2 * s.v + c.a2 * g**2
        s.s = c.b * s.s + c.a * e * g
        size = c.a * np.abs(s.s).sum(axis=1, keepdims=True)
        s.d = np.where(size > 0, np.maximum(s.d, s.r / size), s.d)
        shrunk = p - e * c.weight_decay * p if c.decouple else p
        return shrunk - s.m / (np.sqrt(s.v) + c.eps)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("dadapt_adam", DAdaptAdam)
