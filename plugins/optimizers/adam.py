"""Adam."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper, when
from framework.elementwise import maximum, sqrt


class Adam(ElementwiseOptimizer):
    """Adam: momentum, scaled by a running root mean square of the gradient.

    With g the gradient plus ``weight_decay`` times p, step t is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2           with ``amsgrad``, the largest v so far is used below
        p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    For decoupled decay (AdamW), add the stage ``decoupled_weight_decay``.

    Sources: Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; ``amsgrad`` is Reddi, Kale & Kumar 2018, arXiv:1904.09237,
    Algorithm 2.

    Differs from torch: not at all. Differs from the papers: ``weight_decay`` is torch's; AMSGrad has bias correction
    here, as in torch, but not in its paper. Differs from Keras: eps is 1e-7 there and is added to the root of v before
    the bias correction.
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
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    amsgrad: bool = flag(False, help="divide by the largest root so far")
    slots = dict(m=0, v=0, vmax=when("amsgrad"))

    def coefficients(h, t):
        step = h.lr / (1 - h.beta1**t)
        root = 1 / (1 - h.beta2**t) ** 0.5
        return dict(
            b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, step=step, root=root, eps=h.eps, wd=h.weight_decay
        )

    def rule(p, g, m, v, vmax, *, b1, a1, b2, a2, step, root, eps, wd, amsgrad):
        g = g + wd * p
        m = b1 * m + a1 * g
        v = b2 * v + a2 * g * g
        if amsgrad:
            vmax = maximum(vmax, v)
        top = vmax if amsgrad else v
        return p - step * m / (sqrt(top) * root + eps), m, v, vmax


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adam", Adam)
