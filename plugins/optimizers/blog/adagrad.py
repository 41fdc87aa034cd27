"""The blog's Adagrad as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import sqrt


class BlogAdagrad(ElementwiseOptimizer):
    """The blog's Adagrad exactly as published: epsilon inside the root.

    With d = -g, each step is::

        s = s + d^2
        p = p + lr d / sqrt(s + 1e-8)

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``adagrad``. The repository uses the user's lr, as here;
    the post prints a fixed 0.01.

    Quirk: 1e-8 inside the root acts like 1e-4 outside it: the first step at a gradient of 1e-6 is 0.01 lr, and
    Adagrad's is lr. The standard form is ``adagrad``.
    """

    warning = "blog/adagrad has epsilon inside the root, where 1e-8 acts like 1e-4; optimizer=adagrad is right"
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    slots = dict(s=0)

    def rule(p, g, s, *, lr):
        d = -g
        s = s + d * d
        return p + lr * d / sqrt(s + 1e-8), s


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/adagrad", BlogAdagrad)
