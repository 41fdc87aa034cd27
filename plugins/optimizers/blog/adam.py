"""The blog's Adam as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl
from framework.elementwise import sqrt


class BlogAdam(ElementwiseOptimizer):
    """The blog's Adam exactly as published: the user's learning rate is ignored.

    With d = -g, step t is::

        m = 0.9 m + 0.1 d
        v = 0.999 v + 0.001 d^2
        p = p + 0.001 m / (1 - 0.9^t) / (sqrt(v / (1 - 0.999^t)) + 1e-8)

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``adam``.

    Quirks: the arithmetic is that of the paper, but lr is fixed at 0.001 and the user's value is ignored; and the
    code's momentum term multiplies the user's mr by a number that is always zero, so that term is left out here. The
    form that uses lr is ``adam``.
    """

    converges = "descends"
    own_step_size = True
    warning = "blog/adam ignores the user's learning rate (fixed at 0.001); optimizer=adam uses it"
    absent = {
        "lr": "the published form ignores the user's learning rate (fixed at 0.001); take optimizer=adam to set it",
        "mr": "the published form multiplies the momentum rate by zero; take optimizer=adam and set beta1",
    }
    slots = dict(m=0, v=0)

    def coefficients(h, t):
        return dict(first=1 - 0.9**t, second=1 - 0.999**t)

    def rule(p, g, m, v, *, first, second):
        d = -g
        m = 0.9 * m + 0.1 * d
        v = 0.999 * v + 0.001 * d * d
        return p + 0.001 * (m / first) / (sqrt(v / second) + 1e-8), m, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/adam", BlogAdam)
