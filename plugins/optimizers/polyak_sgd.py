"""Gradient descent with Polyak's step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import OptimizerSpec, Shape, Start, TensorOptimizer, choice, hookimpl, hyper
from framework.tensors import inner

NO_GRADIENT = float(np.finfo(np.float64).eps)
"""No step is taken if the squared norm plus eps is below this, as in optax."""


class PolyakSgd(TensorOptimizer):
    """Polyak's step size: the loss minus its known minimum, divided by the squared gradient norm.

    With f the batch's loss, step t is::

        p = p - scaling min((f - f_min) / (|g|^2 + eps), max_learning_rate) g

    The norm is over all of a run's parameters. With ``variant=sps+``, max(f - f_min, 0) replaces f - f_min. f does not
    include weight decay, and g is the gradient after the stages (weight decay, clipping).

    Sources: Loizou et al. 2021, arXiv:2002.10542 (SPS_max, with scaling 1/c); ``sps+``: Garrigos, Gower & Schaipp
    2023, arXiv:2307.14528. Names and defaults are optax's.

    Differs from optax: for ``scaling`` other than 1, this rule follows the formula in optax's documentation; optax's
    code scales g before it takes the norm.
    """

    couples_tensors = True
    own_step_size = True
    needs_loss = True
    tuned = ("max_learning_rate",)
    absent = {"lr": "polyak_sgd computes its step size itself; use scaling or max_learning_rate"}
    max_learning_rate: float = hyper(1.0, above=0, prior="log", search=(1e-2, 10.0), help="largest factor of g")
    scaling: float = hyper(1.0, above=0, prior="log", search=(0.1, 2.0), help="factor of the step that is found")
    f_min: float = hyper(0.0, prior="linear", search=(0.0, 0.1), help="minimum of the loss, or a lower estimate")
    eps: float = hyper(0.0, at_least=0, prior="log", search=(1e-10, 1e-2), help="added to the squared norm")
    variant: str = choice("sps", ("sps", "sps+"), help="sps+ takes no step if the loss is below f_min")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return an empty dict: the rule has no state."""
        return {}

    def rule(p, g, s, c):
        """Take the step that would reach ``f_min`` if the loss were linear along g."""
        gap = c.losses - c.f_min
        if c.variant == "sps+":
            gap = np.maximum(gap, 0)
        squared = inner(g, g) + c.eps
        step = np.where(squared <= NO_GRADIENT, 0, np.minimum(gap / squared, c.max_learning_rate))
        return p - c.scaling * step * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("polyak_sgd", PolyakSgd)
