"""signSGD."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sign


class Signsgd(ElementwiseOptimizer):
    """signSGD: step by the sign of the gradient.

    Each step is::

        p = p - lr sign(g)                      if g is 0, p does not change

    Source: Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1.

    Differs from optax (``sign_sgd``): not at all. Neither optax nor the paper has a default for lr; the default here is
    Adam's.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-5, 1.0), help="learning rate")

    def rule(p, g, *, lr):
        return p - lr * sign(g)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("signsgd", Signsgd)
