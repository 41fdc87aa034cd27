"""Clip gradients by their global norm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, hyper

CUSHION = 1e-6
"""Added to the norm as in torch, so that the division is defined if the norm is zero."""


class ClipNorm(Stage):
    """Scale the whole gradient down to norm max_norm if its norm is larger.

    With the Euclidean norm over all parameters of one run, the gradient becomes::

        g = g min(1, max_norm / (norm + 1e-6))

    If the norm of a run is not finite, its gradient becomes NaN (and zeros, if the norm is infinite) as in torch; other
    runs are not affected.

    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, Algorithm 1.

    Differs from torch's ``clip_grad_norm_``: the norm is summed in float64.
    """

    replayable = True

    max_norm: float = hyper(1.0, above=0, prior="log", search=(1e-2, 10.0), help="largest norm of a run's gradient")

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Scale ``gradients`` in place."""
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            squares = np.square(gradients.flat, dtype=np.float64)
            norm = np.sqrt(squares.sum(axis=1, keepdims=True))
            scale = np.minimum(1.0, self.max_norm / (norm + CUSHION))
            gradients.flat *= scale.astype(gradients.dtype)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("clip_norm", ClipNorm)
