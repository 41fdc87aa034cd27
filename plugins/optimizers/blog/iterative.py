"""The blog's iterative optimizer as published."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl


class BlogIterative(ElementwiseOptimizer):
    """The blog's iterative optimizer exactly as published: it ascends the gradient.

    With d = -g, each step is::

        p = p - 0.01 d                          that is p + 0.01 g

    Source: q-viper/ML-from-Basics, quark/optimizers.py, key ``iterative``.

    Quirks: the sign is that of gradient ascent, so the loss grows until it overflows; and the user's lr is ignored. The
    correct form is ``iterative``.
    """

    converges = ""
    own_step_size = True
    warning = "blog/iterative ascends (its sign is wrong) at a fixed rate of 0.01; optimizer=iterative is right"
    absent = {
        "lr": "the published form ignores the user's learning rate (fixed at 0.01); take optimizer=iterative to set it"
    }

    def rule(p, g):
        d = -g
        return p - 0.01 * d


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("blog/iterative", BlogIterative)
