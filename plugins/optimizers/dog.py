"""Distance over gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from framework import HERE, OptimizerSpec, Shape, Start, TensorOptimizer, choice, hookimpl, hyper
from framework.tensors import norm


class Dog(TensorOptimizer):
    """DoG: gradient descent whose step is the distance gone so far over the size of the gradients so far.

    With x0 the parameters before the first step and g the gradient plus ``weight_decay`` times p, step t is::

        r = max(r, |p - x0|)
        G = G + |g|^2
        p = p - lr r / sqrt(G + eps) g

    Norms are over all of a run's parameters. How the first step is chosen, r being 0 there, is ``init_step``:
    ``heuristic`` starts r at ``init_step_value`` (1 + |x0|), ``distance`` at ``init_step_value``; ``learning_rate``
    takes ``init_step_value`` as the factor of g at t = 1.

    Source: Ivgi, Hinder & Carmon 2023, arXiv:2302.12022, equation DoG and section 2. The authors advise averaging the
    iterates, which a stage does. Names and defaults are optax's, its pair ``init_step`` in two fields.

    Differs from optax: not at all. ``lr`` is 1 in the paper; a schedule acts on it.
    """

    couples_tensors = True
    lr: float = hyper(1.0, above=0, prior="log", search=(0.1, 3.0), help="factor of the step that is found")
    init_step: str = choice("heuristic", ("heuristic", "distance", "learning_rate"), help="what fixes the first step")
    init_step_value: float = hyper(1e-6, above=0, prior="log", search=(1e-7, 1e-3), help="the number it is fixed by")
    eps: float = hyper(1e-8, above=0, prior="log", search=(1e-10, 1e-4), help="added to G, inside the root")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")

    def slots(self, shape: Shape) -> Mapping[str, Start]:
        """Return the start, the largest distance and the sum of squared gradient norms."""
        return dict(x0=(shape, HERE), distance=((1,), 0.0), squares=((1,), 0.0))

    def coefficients(h, t):
        first = np.where(t == 1, 1.0, 0.0)
        return dict(lr=h.lr, value=h.init_step_value, eps=h.eps, weight_decay=h.weight_decay, first=first)

    def rule(p, g, s, c):
        """Measure the distance, then step."""
        g = g + c.weight_decay * p
        least = {"heuristic": c.value * (1 + norm(s.x0)), "distance": c.value, "learning_rate": 0 * c.value}
        s.distance = np.maximum(np.maximum(s.distance, least[c.init_step]), norm(p - s.x0))
        s.squares = s.squares + norm(g) ** 2
        step = s.distance / np.sqrt(s.squares + c.eps)
        if c.init_step == "learning_rate":
            step = np.where(c.first > 0, c.value, step)
        return p - c.lr * step * g


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("dog", Dog)
