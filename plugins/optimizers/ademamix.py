"""AdEMAMix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import maximum, minimum, sqrt, where


class Ademamix(ElementwiseOptimizer):
    """AdEMAMix: AdamW with a second mean of the gradients that decays much more slowly.

    Step t is::

        m1 = beta1 m1 + (1 - beta1) g
        m2 = beta3(t) m2 + (1 - beta3(t)) g
        v  = beta2 v + (1 - beta2) g^2
        u  = (m1 / (1 - beta1^t) + alpha(t) m2) / (sqrt(v / (1 - beta2^t) + eps_root) + eps)
        p  = p (1 - lr weight_decay) - lr u

    alpha(t) grows linearly from 0 to alpha over ``alpha_warmup`` steps. beta3(t) grows from beta1 to beta3 over
    ``beta3_warmup`` steps such that ``1 / log beta3(t)``, and therefore the half-life of m2, changes linearly. The
    default of 0 steps means no warm-up.

    Source: Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137, Algorithm 1 and its two schedulers; the warm-ups are
    its T_alpha and T_beta3 (both the whole budget in the paper).

    Differs from optax: optax takes schedules instead of the two warm-ups, and has no default for lr (the default here
    is AdamW's). Differs from the paper: the paper has no eps_root. Differs from the authors' code: the code adds 1e-8
    to the betas before the logarithm.
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
    beta3: float = hyper(
        0.9999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.99, 0.99999),
        help="decay rate of the slow mean of gradients",
    )
    alpha: float = hyper(5.0, at_least=0, prior="linear", search=(1.0, 10.0), help="weight of the slow mean")
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    eps_root: float = hyper(0.0, at_least=0, prior="log", search=(1e-16, 1e-6), help="added inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-4, 1.0), help="decay per step, times lr")
    alpha_warmup: float = hyper(0.0, at_least=0, prior="log", search=(10.0, 1e5), help="steps over which alpha grows")
    beta3_warmup: float = hyper(0.0, at_least=0, prior="log", search=(10.0, 1e5), help="steps over which beta3 grows")
    slots = dict(m1=0, m2=0, v=0)

    def coefficients(h, t):
        b3 = _climbing(h.beta1, h.beta3, _part(t, h.beta3_warmup))
        return dict(
            b1=h.beta1,
            a1=1 - h.beta1,
            b2=h.beta2,
            a2=1 - h.beta2,
            b3=b3,
            a3=1 - b3,
            step=h.lr / (1 - h.beta1**t),
            mix=h.lr * h.alpha * _part(t, h.alpha_warmup),
            unbias=1 / (1 - h.beta2**t),
            eps=h.eps,
            eps_root=h.eps_root,
            shrink=1 - h.lr * h.weight_decay,
        )

    def rule(p, g, m1, m2, v, *, b1, a1, b2, a2, b3, a3, step, mix, unbias, eps, eps_root, shrink):
        m1 = b1 * m1 + a1 * g
        m2 = b3 * m2 + a3 * g
        v = b2 * v + a2 * g * g
        return shrink * p - (step * m1 + mix * m2) / (sqrt(v * unbias + eps_root) + eps), m1, m2, v


def _part(t: np.ndarray, warmup: np.ndarray) -> np.ndarray:
    return minimum(1.0, t / maximum(1.0, warmup))


def _climbing(start: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    inverse = (1 - part) * _inverse_log(start) + part * _inverse_log(end)
    reached = (part == 1) | (inverse == 0)
    return where(reached, end, minimum(end, np.exp(1 / where(reached, -1.0, inverse))))


def _inverse_log(beta: np.ndarray) -> np.ndarray:
    return where(beta > 0, 1 / np.log(where(beta > 0, beta, 0.5)), 0.0)  # log 0 is minus infinity


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("ademamix", Ademamix)
