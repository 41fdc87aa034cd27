"""Gradient centralization."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl


class GradientCentralization(Stage):
    """Subtract from each unit's gradient its mean over the unit's inputs.

    For every tensor with at least two axes, the gradient becomes::

        g = g - mean of g over all axes but the last

    The last axis is that of the outputs: dense ``(in, out)``, convolution ``(k, k, channels, filters)``. Biases and
    other vectors are not changed. Each run has its own means.

    Source: Yong et al. 2020, arXiv:2004.01461, equation 1 and Algorithms 1 and 2.

    Differs from ``optax.centralize``, which averages over all axes but the first for every layout.
    """

    replayable = True

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Subtract the means from ``gradients`` in place."""
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            for name, shape in gradients.shapes.items():
                if len(shape) > 1 and 0 not in shape:
                    inputs = gradients.views[name].reshape(gradients.runs, -1, shape[-1])
                    inputs -= inputs.mean(axis=1, keepdims=True)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("gradient_centralization", GradientCentralization)
