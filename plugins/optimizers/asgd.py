"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import maximum


class Asgd(ElementwiseOptimizer):
    """Averaged SGD: gradient descent with a decreasing step size, and a mean of the parameters.

    With g the gradient plus ``weight_decay`` times p, step t is::

        eta = lr / (1 + lambd lr (t - 1))^alpha
        p   = (1 - lambd eta) p - eta g
        ax  = ax + (p - ax) / max(1, t - 1 - t0)

    As in torch, p is trained and evaluated, and the mean ``ax`` is only kept in the state. It equals p until step
    t0 + 2: with the default t0, which is torch's, always in a run of up to a million steps.

    Sources: Polyak & Juditsky 1992, SIAM Journal on Control and Optimization 30(4) (the mean); Bottou 2010,
    "Large-scale machine learning with stochastic gradient descent", section 5 (eta).

    Differs from torch: under a schedule, torch's eta is one step late, because torch computes it at the end of the
    previous step; with a constant lr they agree.
    """

    still_at_zero = False
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    lambd: float = hyper(
        1e-4, at_least=0, prior="log", search=(1e-6, 1e-2), help="weight decay, and how fast eta decreases"
    )
    alpha: float = hyper(0.75, at_least=0, prior="linear", search=(0.5, 1.0), help="exponent of the decrease of eta")
    t0: float = hyper(1e6, at_least=0, prior="log", search=(1.0, 1e6), help="step after which averaging starts")
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
