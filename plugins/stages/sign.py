"""The sign of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl


class Sign(Stage):
    """Replace each number of the gradient by its sign.

    The gradient becomes::

        g = sign(g)

    The sign is -1, 0 or 1; NaN stays NaN, so that divergence stays visible. With ``optimizer=iterative`` this is
    signSGD.

    Source: Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1.
    """

    replayable = True

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Replace ``gradients`` in place."""
        np.sign(gradients.flat, out=gradients.flat)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("sign", Sign)
