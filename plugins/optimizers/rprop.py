"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
from framework.elementwise import maximum, minimum, sign, where


class Rprop(ElementwiseOptimizer):
    """Rprop: one step length per parameter, which depends on the signs of its gradients only.

    Each step compares g with the last gradient, ``prev``::

        same sign:      s = min(s eta_plus, step_max)
        opposite sign:  s = max(s eta_minus, step_min), and g counts as 0
        p    = p - s sign(g)
        prev = g

    s starts at the ``lr`` of the first step and stays within the bounds. A schedule therefore acts through its first
    factor only (with a warm-up, s starts smaller). The rule is meant for full batches: noise changes signs.

    Source: Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm", section 3, in the form without backtracking (Igel & Huesken 2000, iRprop-, Algorithm 4).

    Differs from torch: not at all; ``etas`` and ``step_sizes`` are split in two each. Differs from the 1993 paper: a
    step that changed the sign is not undone.
    """

    converges = "descends"
    own_step_size = True
    lr: float = hyper(0.01, above=0, prior="log", search=(1e-4, 1.0), help="initial step length")
    eta_minus: float = hyper(
        0.5, above=0, below=1, prior="linear", search=(0.3, 0.9), help="factor of the step length if the sign changes"
    )
    eta_plus: float = hyper(
        1.2, above=1, prior="linear", search=(1.05, 2.0), help="factor of the step length if the sign stays"
    )
    step_min: float = hyper(1e-6, at_least=0, prior="log", search=(1e-8, 1e-4), help="shortest step")
    step_max: float = hyper(50.0, above=0, prior="log", search=(0.1, 50.0), help="longest step")
    slots = dict(prev=0, s="lr")

    @classmethod
    def constraints(cls, values: Mapping[str, Any]) -> str | None:
        """Return an error message if step_min is above step_max, else None."""
        if values["step_min"] > values["step_max"]:
            return f"step_min={values['step_min']:g} must not be above step_max={values['step_max']:g}"
        return None

    def rule(p, g, prev, s, *, eta_minus, eta_plus, step_min, step_max):
        agreement = g * prev
        s = s * where(agreement > 0, eta_plus, where(agreement < 0, eta_minus, 1.0))
        s = minimum(maximum(s, step_min), step_max)
        g = where(agreement < 0, 0.0, g)
        return p - s * sign(g), g, s


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("rprop", Rprop)
