"""Clip gradients by value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Parameters, Stage, StageSpec, State, hookimpl, hyper


class ClipValue(Stage):
    """Clip every number of the gradient to [-max_value, max_value].

    The gradient becomes::

        g = clip(g, -max_value, max_value)

    NaN stays NaN, so that divergence stays visible.

    Source: Mikolov 2012, thesis "Statistical language models based on neural networks", section 3.2.2.

    Differs from torch's ``clip_grad_value_``: not at all.
    """

    replayable = True

    max_value: float = hyper(1.0, above=0, prior="log", search=(1e-2, 10.0), help="largest size of one number")

    def before(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Clip ``gradients`` in place."""
        bound = self.max_value.astype(gradients.dtype)  # type: ignore[attr-defined]
        np.clip(gradients.flat, -bound, bound, out=gradients.flat)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("clip_value", ClipValue)
