"""Schedule-free AdamW."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import HERE, ElementwiseOptimizer, OptimizerSpec, Parameters, State, hookimpl, hyper
from framework.elementwise import sqrt

from ._shared.schedule_free import averaged, averaging


class ScheduleFreeAdamW(ElementwiseOptimizer):
    """Schedule-free AdamW: an average replaces momentum; the average is evaluated, not the trained point.

    Training uses p = y; validation, testing and the saved model use x. With g the gradient at y and c = w / (w of all
    steps so far), step t is::

        v = beta2 v + (1 - beta2) g^2
        u = g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y
        z = z - lr u
        x = (1 - c) x + c z
        y = (1 - beta1) z + beta1 x

    with w = t^r (largest lr so far)^weight_lr_power. lr grows linearly over the first ``warmup_steps`` steps. A
    schedule multiplies lr, although the method is designed to need none. Batch norm's running statistics are those of y
    during training; for an evaluation of x they are recomputed on the training data, as the authors recommend.

    Only y and z are stored; x follows from them, so that beta1 must not be 0.

    Source: Defazio et al. 2024, arXiv:2405.15682, Algorithm 1; names and defaults are those of the authors' code.

    Differs from the authors' code: not at all. Differs from the paper: Algorithm 1 applies the bias correction to lr,
    and thereby to the weights; the authors' code, optax and this rule apply it to v. Differs from optax: optax's
    warm-up has lr 0 in the first step, and optax has no ``r``; without warm-up there is no difference.
    """

    lr: float = hyper(2.5e-3, above=0, prior="log", search=(1e-3, 100.0), help="learning rate")
    beta1: float = hyper(0.9, above=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="share of x in y")
    beta2: float = hyper(
        0.999,
        at_least=0,
        below=1,
        prior="log 1-x",
        search=(0.9, 0.9999),
        help="decay rate of the mean of squared gradients",
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-1), help="decoupled weight decay at y")
    warmup_steps: float = hyper(0, at_least=0, prior="linear", search=(0, 1000), help="linear warm-up of lr, in steps")
    r: float = hyper(0.0, at_least=0, prior="linear", search=(0.0, 2.0), help="power of t in the weights")
    weight_lr_power: float = hyper(
        2.0, at_least=0, prior="linear", search=(0.0, 2.0), help="power of the largest lr in the weights"
    )
    slots = dict(z=HERE, v=0)
    scalars = dict(lr_max=0.0, weight_sum=0.0)

    def coefficients(h, t):
        c = averaging(h, t)
        pull = c["lr"] * (1 - h.beta1 * (1 - c["share"]))
        root = 1 / (1 - h.beta2**t) ** 0.5
        return dict(**c, pull=pull, b2=h.beta2, a2=1 - h.beta2, root=root, eps=h.eps, weight_decay=h.weight_decay)

    def rule(p, g, z, v, *, lr, share, pull, b2, a2, root, eps, weight_decay):
        v = b2 * v + a2 * g * g
        u = g / (sqrt(v) * root + eps) + weight_decay * p
        return p + share * (z - p) - pull * u, z - lr * u, v

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray:
        """Return x, the average, ``(R, size)``."""
        return averaged(parameters.flat, state["z"], self.beta1)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("schedule_free_adamw", ScheduleFreeAdamW)
