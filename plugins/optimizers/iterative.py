"""Plain gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class Iterative(ElementwiseOptimizer):
    """Plain gradient descent, without state.

    Each step is::

        p = p - lr g

    It equals ``sgd`` without options. The name is the blog's; the form published there (``blog/iterative``) has the
    wrong sign.

    Source: Cauchy 1847.

    Differs from torch's ``SGD(lr)``: not at all.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")

    def rule(p, g, *, lr):
        return p - lr * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("iterative", Iterative)
