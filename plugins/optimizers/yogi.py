"""Yogi."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign, sqrt


class Yogi(ElementwiseOptimizer):
    """Yogi: Adam whose second moment changes by an amount that does not depend on its size.

    Step t is::

        m = beta1 m + (1 - beta1) g
        v = v - (1 - beta2) sign(v - g^2) g^2
        p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    m and v start at ``initial_accumulator_value``.

    Source: Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", NeurIPS, Algorithm 2.

    Differs from optax: not at all (optax has no default for lr; the default here is the paper's). Differs from the
    paper, as optax does: the paper's algorithm has no bias correction and no initial value other than 0.
    """

    still_at_zero = False
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
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
    eps: float = hyper(1e-3, at_least=0, prior="log", search=(1e-8, 1e-2), help="added to the root")
    initial_accumulator_value: float = hyper(
        1e-6, at_least=0, prior="log", search=(1e-8, 1e-2), help="initial value of both means"
    )
    slots = dict(m="initial_accumulator_value", v="initial_accumulator_value")

    def coefficients(h, t):
        step = h.lr / (1 - h.beta1**t)
        root = 1 / (1 - h.beta2**t) ** 0.5
        return dict(b1=h.beta1, a1=1 - h.beta1, a2=1 - h.beta2, step=step, root=root, eps=h.eps)

    def rule(p, g, m, v, *, b1, a1, a2, step, root, eps):
        m = b1 * m + a1 * g
        square = g * g
        v = v - a2 * sign(v - square) * square
        return p - step * m / (sqrt(v) * root + eps), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("yogi", Yogi)
