"""The blog's SGD as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class BlogSgd(ElementwiseOptimizer):
    """The blog's SGD exactly as published: the last raw gradient is added once more.

    With d = -g, each step is::

        p = p + mr d_last + lr d                d_last starts at 0
        d_last = d

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``sgd``.

    Quirk: the momentum term is a filter with two taps: it includes only the last gradient, and it is not scaled by lr,
    so that schedules do not act on it. The standard form is ``sgd``.
    """

    warning = (
        "blog/sgd adds the last raw gradient times mr, which is no momentum and ignores lr; optimizer=sgd is right"
    )
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    mr: float = hyper(
        0.001, at_least=0, prior="log", search=(1e-4, 1e-1), help="momentum rate: times the last gradient"
    )
    slots = dict(d_last=0)

    def rule(p, g, d_last, *, lr, mr):
        d = -g
        return p + d_last * mr + d * lr, d


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/sgd", BlogSgd)
