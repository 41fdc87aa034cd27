"""Gradient noise whose variance decreases over the steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, hyper, normal


class GradientNoise(Stage):
    """Add normal noise of decreasing variance to the gradient.

    At step t (from 1), with z from N(0, 1) for every number, the gradient becomes::

        g = g + sqrt(eta / t^gamma) z

    The noise z depends only on the run's seed and t: runs that differ in anything else have the same z, at any position
    in a population. The paper tries eta 0.01, 0.3 and 1.

    Source: Neelakantan et al. 2015, arXiv:1511.06807, equation 1.

    Differs from the paper: the paper's t starts at 0, so that the variance is eta / (1 + t)^gamma there. Differs from
    ``optax.add_noise``: not at all.
    """

    eta: float = hyper(0.01, at_least=0, prior="log", search=(1e-4, 1.0), help="variance at the first step")
    gamma: float = hyper(0.55, at_least=0, prior="linear", search=(0.3, 1.0), help="how fast the variance falls")

    def initial_state(self, parameters: Parameters) -> State:
        """Return the count of steps, ``(R, 1)``."""
        return {"count": np.zeros((parameters.runs, 1))}

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Add the noise to ``gradients`` in place."""
        state["count"] += 1
        step = int(state["count"][0, 0])  # runs that step together have the same count
        deviation = np.sqrt(np.asarray(self.eta) / step ** np.asarray(self.gamma))
        drawn = normal(self.seeds, gradients.size, "gradient noise", step)
        gradients.flat += (deviation * drawn).astype(gradients.dtype)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("gradient_noise", GradientNoise)
