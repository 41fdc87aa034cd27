"""The blog's momentum as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class BlogMomentum(ElementwiseOptimizer):
    """The blog's momentum exactly as published: always decays the weights.

    With d = -g, each step is::

        v = 0.9 v + lr d - 0.0005 lr p
        p = p + v

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``momentum``.

    Quirk: a weight decay of 0.0005 is always applied, also to biases, and moves the optimum: on (p - 1)^2 / 2 it
    converges to 0.9995. The 0.9 cannot be set. The standard form is ``momentum``.
    """

    still_at_zero = False
    warning = (
        "blog/momentum always decays weights and biases by 0.0005, which moves the optimum; optimizer=momentum is right"
    )
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    slots = dict(v=0)

    def rule(p, g, v, *, lr):
        d = -g
        v = 0.9 * v + lr * d - 0.0005 * lr * p
        return p + v, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/momentum", BlogMomentum)
