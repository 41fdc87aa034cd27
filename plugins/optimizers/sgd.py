"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper
from framework.elementwise import where


class Sgd(ElementwiseOptimizer):
    """Stochastic gradient descent with heavy-ball or Nesterov momentum.

    With g the gradient plus ``weight_decay`` times p, step t is::

        b = momentum b + (1 - dampening) g      (b = g at t = 1, and whenever momentum is 0)
        p = p - lr b                            with ``nesterov``: p = p - lr (g + momentum b)

    The Nesterov form is the usual one, rewritten so that the gradient is evaluated at the parameters.

    Sources: Robbins & Monro 1951 (the method); Polyak 1964 (momentum); Nesterov 1983; Sutskever et al. 2013, "On the
    importance of initialization and momentum in deep learning", equations 1 to 4.

    Differs from torch: not at all. Differs from the papers and from Keras: they apply lr inside the velocity, which
    differs if lr changes (see ``momentum``); the papers have no dampening.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    momentum: float = hyper(0.0, at_least=0, below=1, prior="log 1-x", search=(0.0, 0.99), help="momentum coefficient")
    dampening: float = hyper(
        0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.9), help="share of g that is not added to b"
    )
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    nesterov: bool = flag(False, help="step from where the momentum is about to lead")
    slots = dict(b=0)

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return an error message for nesterov without momentum or with dampening, as torch does, else None."""
        if values["nesterov"] and (values["momentum"] == 0 or values["dampening"] != 0):
            return "nesterov=true needs momentum > 0 and dampening=0"
        return None

    def coefficients(h, t):
        undamped = (t == 1) | (h.momentum == 0)
        keep = where(undamped, 1.0, 1 - h.dampening)
        return dict(lr=h.lr, momentum=h.momentum, keep=keep, weight_decay=h.weight_decay)

    def rule(p, g, b, *, lr, momentum, keep, weight_decay, nesterov):
        g = g + weight_decay * p
        b = momentum * b + keep * g
        step = g + momentum * b if nesterov else b
        return p - lr * step, b


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("sgd", Sgd)
