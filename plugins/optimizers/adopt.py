"""ADOPT."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, flag, hookimpl, hyper
from framework.elementwise import maximum, minimum, sqrt, where


class Adopt(ElementwiseOptimizer):
    """ADOPT: Adam that divides each gradient by the root of the past squares before it averages.

    Step 1 sets v to g^2 and does not change p. Each later step t is::

        x = g / max(sqrt(v), eps)               with ``use_clipping``, clipped to plus or minus (t - 1)^(1/4)
        m = beta1 m + (1 - beta1) x             with ``nesterov``, the next line uses beta1 m + (1 - beta1) x
        p = p - lr m
        v = beta2 v + (1 - beta2) g^2

    Source: Taniguchi et al. 2024, arXiv:2411.02853, Algorithm 1, and Algorithm 2 for the clipped form.

    Differs from optax: not at all (optax has no default for lr; the default here is that of the authors' code). Differs
    from the paper: its step numbers are one less than these; ``nesterov`` is optax's.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.9999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.9, 0.9999),
        help="decay rate of the mean of squared gradients",
    )
    eps: float = hyper(1e-6, above=0, prior="log", search=(1e-10, 1e-3), help="lower bound of the root")
    nesterov: bool = flag(False, help="use Nesterov momentum")
    use_clipping: bool = flag(True, help="clip the divided gradient to (t - 1)^(1/4)")
    slots = dict(m=0, v=0)

    def first_act(self):
        return 2

    def coefficients(h, t):
        b2 = where(t == 1, 0.0, h.beta2)
        a1 = where(t == 1, 0.0, 1 - h.beta1)
        return dict(b1=h.beta1, a1=a1, b2=b2, a2=1 - b2, lr=h.lr, clip=(t - 1) ** 0.25, eps=h.eps)

    def rule(p, g, m, v, *, b1, a1, b2, a2, lr, clip, eps, nesterov, use_clipping):
        x = g / maximum(sqrt(v), eps)
        if use_clipping:
            x = minimum(maximum(x, -clip), clip)
        m = b1 * m + a1 * x
        move = b1 * m + a1 * x if nesterov else m
        return p - lr * move, m, b2 * v + a2 * g * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("adopt", Adopt)
