"""The blog's Adadelta as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl
from framework.elementwise import sqrt


class BlogAdadelta(ElementwiseOptimizer):
    """The blog's Adadelta exactly as published: sums steps, not their squares.

    With d = -g, each step is::

        v = 0.9 v + 0.1 d^2
        s = sqrt((q + 1e-8) / (v + 1e-8)) d
        q = 0.9 q + 0.1 s
        p = p + s

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``adadelta`` (q is called M there).

    Quirk: q sums s instead of the paper's s^2, so it can become negative, and the root is then NaN: already at step 2,
    if the first d is negative and the first step longer than 1e-7. The standard form is ``adadelta``.
    """

    own_step_size = True
    converges = ""
    warning = "blog/adadelta takes the root of a sum of steps, which is NaN once negative; optimizer=adadelta is right"
    absent = {"lr": "the published form has no learning rate; take optimizer=adadelta to set one"}
    slots = dict(v=0, q=0)

    def rule(p, g, v, q):
        d = -g
        v = 0.9 * v + 0.1 * d * d
        s = sqrt((q + 1e-8) / (v + 1e-8)) * d
        q = 0.9 * q + 0.1 * s
        return p + s, v, q


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/adadelta", BlogAdadelta)
