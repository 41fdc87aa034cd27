"""The blog's RMSprop as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class BlogRmsprop(ElementwiseOptimizer):
    """The blog's RMSprop exactly as published: epsilon inside the root.

    With d = -g, each step is::

        r = 0.9 r + 0.1 d^2
        p = p + lr d / sqrt(r + 1e-8)

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``rmsprop``. The repository uses the user's lr, as here;
    the post prints a fixed 0.001.

    Quirk: 1e-8 inside the root acts like 1e-4 outside it, which shortens steps at small gradients. The standard form is
    ``rmsprop``.
    """

    warning = "blog/rmsprop has epsilon inside the root, where 1e-8 acts like 1e-4; optimizer=rmsprop is right"
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    slots = dict(r=0)

    def rule(p, g, r, *, lr):
        d = -g
        r = 0.9 * r + 0.1 * d * d
        return p + lr * d / sqrt(r + 1e-8), r


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/rmsprop", BlogRmsprop)
