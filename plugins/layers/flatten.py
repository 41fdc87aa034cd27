"""Flattening."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, Shape, hookimpl


class Flatten(Layer):
    """Reshape each sample to one row of numbers; flat samples pass unchanged.

    In row-major order, samples of shape ``(a, b, ...)`` become::

        (a * b * ...,)

    The result may be a view of the input.
    """

    replayable = True
    output_kind = ""

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(numbers,)``."""
        return (math.prod(shape),)

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return ``x`` as ``(R or 1, B, numbers)``."""
        return x.reshape(*x.shape[:2], math.prod(self.input_shape))

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return ``dy`` in the input's shape."""
        return dy.reshape(*dy.shape[:2], *self.input_shape) if need_dx else None


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``flatten``."""
    yield LayerSpec("flatten", Flatten)
