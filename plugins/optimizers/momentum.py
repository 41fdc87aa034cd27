"""Classical momentum."""

from __future__ import annotations

from collections.abc import Iterator

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper


class Momentum(ElementwiseOptimizer):
    """Classical momentum with the learning rate inside the velocity.

    With g the gradient plus ``weight_decay`` times p, each step is::

        v = momentum v - lr g
        p = p + v

    Sources: the blog's equation (v = beta v - lr grad J; theta = theta + v); Rumelhart, Hinton & Williams
    1986; Sutskever et al. 2013, equations 1 and 2.

    Differs from torch's SGD: torch applies lr outside the velocity. The two agree exactly while lr is constant; if a
    schedule changes lr, the gradients already in the velocity keep their old lr here. Keras's SGD has this form too.
    """

    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    momentum: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="momentum coefficient")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    slots = dict(v=0)

    def rule(p, g, v, *, lr, momentum, weight_decay):
        v = momentum * v - lr * (g + weight_decay * p)
        return p + v, v


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("momentum", Momentum)
