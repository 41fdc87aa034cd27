"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper, when
from framework.elementwise import sqrt


class Rmsprop(ElementwiseOptimizer):
    """RMSprop: steps scaled by a running root mean square of the gradient.

    With g the gradient plus ``weight_decay`` times p, each step is::

        r = alpha r + (1 - alpha) g^2
        a = alpha a + (1 - alpha) g             only with ``centered``: sqrt(r - a^2) replaces sqrt(r)
        b = momentum b + g / (sqrt(r) + eps)
        p = p - lr b

    With ``centered`` and a constant gradient, r - a^2 is a difference of nearly equal numbers and may round to less
    than zero: the step is then NaN, as in torch.

    Sources: Tieleman & Hinton 2012, Coursera "Neural networks for machine learning", lecture 6e; ``centered`` is Graves
    2013, arXiv:1308.0850, equations 38 to 45.

    Differs from torch: not at all. Differs from Keras: alpha is called rho there (default 0.9), eps is inside the root,
    lr is 0.001 and is applied inside the momentum buffer. Differs from Graves: the paper adds 1e-4 inside the root.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    alpha: float = hyper(
        0.99,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.9, 0.999),
        help="decay rate of the mean of squared gradients",
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    momentum: float = hyper(0.0, at_least=0, below=1, prior="log 1-x", search=(0.0, 0.99), help="momentum coefficient")
    centered: bool = flag(False, help="divide by the standard deviation, not the root mean square")
    slots = dict(r=0, a=when("centered"), b=0)

    def coefficients(h, t):
        return dict(
            lr=h.lr, alpha=h.alpha, rest=1 - h.alpha, eps=h.eps, weight_decay=h.weight_decay, momentum=h.momentum
        )

    def rule(p, g, r, a, b, *, lr, alpha, rest, eps, weight_decay, momentum, centered):
        g = g + weight_decay * p
        r = alpha * r + rest * g * g
        if centered:
            a = alpha * a + rest * g
            scale = sqrt(r - a * a) + eps
        else:
            scale = sqrt(r) + eps
        b = momentum * b + g / scale
        return p - lr * b, r, a, b


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("rmsprop", Rmsprop)
