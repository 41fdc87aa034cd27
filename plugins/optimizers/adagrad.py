"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class Adagrad(ElementwiseOptimizer):
    """Adagrad: steps scaled by the root of the sum of all squared gradients so far.

    With g the gradient plus ``weight_decay`` times p, step t is::

        s = s + g^2                             s starts at ``initial_accumulator_value``
        p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    Source: Duchi, Hazan & Singer 2011, JMLR 12, Figure 1 (diagonal form; the paper's delta is eps).

    Differs from torch: not at all. Differs from the paper: ``lr_decay``, ``weight_decay`` and the starting value are
    torch's. Differs from Keras: lr is 0.001 there, the starting value 0.1, and eps is 1e-7 and inside the root.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    lr_decay: float = hyper(
        0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="lr falls as 1 / (1 + (t - 1) lr_decay)"
    )
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    initial_accumulator_value: float = hyper(
        0.0, at_least=0, prior="log", search=(1e-3, 1.0), help="initial value of the sum"
    )
    eps: float = hyper(1e-10, at_least=0, prior="log", search=(1e-12, 1e-3), help="added to the root")
    slots = dict(s="initial_accumulator_value")

    def coefficients(h, t):
        return dict(step=h.lr / (1 + (t - 1) * h.lr_decay), weight_decay=h.weight_decay, eps=h.eps)

    def rule(p, g, s, *, step, weight_decay, eps):
        g = g + weight_decay * p
        s = s + g * g
        return p - step * g / (sqrt(s) + eps), s


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adagrad", Adagrad)
