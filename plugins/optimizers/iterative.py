"""Plain gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class Iterative(ElementwiseOptimizer):
    """Plain gradient descent: no state, nothing but lr.

    Each step is::

        p = p - lr g

    Source: Cauchy 1847. It equals torch's ``SGD(lr)`` and ``sgd`` without options; the name is that of the blog whose
    published form (``blog/iterative``) climbs instead.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-3, 1.0), help="learning rate")

    def rule(p, g, *, lr):
        return p - lr * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("iterative", Iterative)
