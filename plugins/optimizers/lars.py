"""LARS."""

from __future__ import annotations

from collections.abc import Iterator

from framework import OptimizerSpec, TensorOptimizer, flag, hookimpl, hyper
from framework.tensors import trust_ratio


class Lars(TensorOptimizer):
    """LARS: momentum on gradients that are rescaled to a fixed share of each tensor's norm.

    For each tensor, with g the gradient plus ``weight_decay`` times p, each step is::

        u = lr trust_coefficient |p| / (|g| + eps) g         u = lr g if either norm is 0
        v = momentum v + u
        p = p - v                                            with ``nesterov``, p - (momentum v + u)

    lr is inside the velocity.

    State of one run: v in the tensor's shape.

    Source: You, Gitman & Ginsburg 2017, arXiv:1708.03888, Algorithm 1 and equation 6.

    Differs from optax.lars: not at all (optax has no default for lr). Differs from the paper: the paper's ratio is |p|
    / (|gradient| + weight_decay |p|), with the sum of the two norms instead of the norm of the sum; here every tensor
    has the ratio, biases and norms too.
    """

    lr: float = hyper(1.0, above=0, prior="log", search=(0.01, 30.0), help="learning rate, times trust_coefficient")
    momentum: float = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="momentum coefficient")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    trust_coefficient: float = hyper(
        0.001, above=0, prior="log", search=(1e-4, 1e-1), help="relative step size at lr 1"
    )
    eps: float = hyper(0.0, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the gradient's norm")
    nesterov: bool = flag(False, help="use Nesterov momentum")

    def slots(self, shape):
        return dict(v=(shape, 0))

    def rule(p, g, s, c):
        g = g + c.weight_decay * p
        u = c.lr * trust_ratio(p, g, c.eps, c.trust_coefficient) * g
        s.v = c.momentum * s.v + u
        return p - (c.momentum * s.v + u if c.nesterov else s.v)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("lars", Lars)
