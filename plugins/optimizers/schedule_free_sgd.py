"""Schedule-free gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import HERE, ElementwiseOptimizer, OptimizerSpec, Parameters, State, hookimpl, hyper

from ._shared.schedule_free import averaged, averaging


class ScheduleFreeSgd(ElementwiseOptimizer):
    """Schedule-free SGD: gradients at a point between the newest one and the average, which is evaluated.

    Training uses p = y; validation, testing and the saved model use x. With g the gradient at y plus ``weight_decay``
    times y, c = w / (w of all steps so far), step t is::

        z = z - lr g
        x = (1 - c) x + c z
        y = (1 - momentum) z + momentum x

    with w = t^r (largest lr so far)^weight_lr_power. lr grows linearly over the first ``warmup_steps`` steps. A
    schedule multiplies lr, although the method is designed to need none. Batch norm's running statistics are those of y
    during training; for an evaluation of x they are recomputed on the training data, as the authors recommend.

    Only y and z are stored; x follows from them, so that momentum must not be 0.

    Source: Defazio et al. 2024, arXiv:2405.15682, equations 3 to 5; warm-up, weights, names and defaults are those of
    the authors' code.

    Differs from the authors' code: not at all. Differs from optax: optax's warm-up has lr 0 in the first step, and
    optax has no ``r``; without warm-up there is no difference.
    """

    lr: float = hyper(1.0, above=0, prior="log", search=(1e-3, 100.0), help="learning rate")
    momentum: float = hyper(0.9, above=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="share of x in y")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty at y, added to g")
    warmup_steps: float = hyper(0, at_least=0, prior="linear", search=(0, 1000), help="linear warm-up of lr, in steps")
    r: float = hyper(0.0, at_least=0, prior="linear", search=(0.0, 2.0), help="power of t in the weights")
    weight_lr_power: float = hyper(
        2.0, at_least=0, prior="linear", search=(0.0, 2.0), help="power of the largest lr in the weights"
    )
    slots = dict(z=HERE)
    scalars = dict(lr_max=0.0, weight_sum=0.0)

    def coefficients(h, t):
        c = averaging(h, t)
        return dict(**c, pull=c["lr"] * (1 - h.momentum * (1 - c["share"])), weight_decay=h.weight_decay)

    def rule(p, g, z, *, lr, share, pull, weight_decay):
        g = g + weight_decay * p
        return p + share * (z - p) - pull * g, z - lr * g

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray:
        """Return x, the average, ``(R, size)``."""
        return averaged(parameters.flat, state["z"], self.momentum)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("schedule_free_sgd", ScheduleFreeSgd)
