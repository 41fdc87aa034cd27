"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import maximum


class Asgd(ElementwiseOptimizer):
    """Averaged SGD: plain steps of falling length, with the mean of the path beside them.

    With g the gradient plus ``weight_decay`` times p, step t is::

        eta = lr / (1 + lambd lr (t - 1))^alpha
        p   = (1 - lambd eta) p - eta g
        ax  = ax + (p - ax) / max(1, t - 1 - t0)

    Sources: Polyak & Juditsky 1992, SIAM Journal on Control and Optimization 30(4), (the mean of the path);
    Bottou 2010, "Large-scale machine learning with stochastic gradient descent", section 5 (eta).

    As in torch, what is trained and evaluated is p; the mean ``ax`` is carried in the state. It equals p until step
    t0 + 2, so with torch's default t0 it always does. Differs from torch: under a schedule, torch's eta is a step
    late (it is computed at the end of the step before); with a constant lr they agree.
    """

    still_at_zero = False
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-3, 1.0), help="learning rate")
    lambd: float = hyper(
        1e-4, at_least=0, prior="log", search=(1e-6, 1e-2), help="decay of p, and how fast the steps shorten"
    )
    alpha: float = hyper(0.75, at_least=0, prior="linear", search=(0.5, 1.0), help="power by which steps shorten")
    t0: float = hyper(1e6, at_least=0, prior="log", search=(1.0, 1e6), help="step after which the mean starts")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(ax=0)

    def coefficients(h, t):
        eta = h.lr / (1 + h.lambd * h.lr * (t - 1)) ** h.alpha
        share = 1 / maximum(1.0, t - 1 - h.t0)
        return dict(eta=eta, shrink=1 - h.lambd * eta, share=share, rest=1 - share, weight_decay=h.weight_decay)

    def rule(p, g, ax, *, eta, shrink, share, rest, weight_decay):
        g = g + weight_decay * p
        p = shrink * p - eta * g
        return p, rest * ax + share * p


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("asgd", Asgd)
