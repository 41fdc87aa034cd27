"""Reshaping."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import InputError, Layer, LayerSpec, Shape, hookimpl, integers


class Reshape(Layer):
    """Give each sample another shape; its numbers stay in row-major order.

    Activations ``(R, B, *old)`` become::

        (R, B, *shape)

    Raises ``InputError`` if no shape is set or the two shapes have different numbers of elements.
    """

    replayable = True
    output_kind = ""
    examples = ({"shape": (3, 4)},)

    shape: tuple[int, ...] | str = integers(
        (), words=("outputs",), at_least=1, help="of one sample; outputs: the shape that the data set needs"
    )

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape.

        Raises:
            InputError: no shape is set, it is ``outputs`` and there is no data set, or the number of elements differs.
        """
        if isinstance(self.shape, str):
            raise InputError("shape=outputs is known only together with a data set: give numbers")
        if not self.shape:
            raise InputError("reshape needs a shape, such as shape=[28,28,1]")
        if math.prod(self.shape) != math.prod(shape):
            raise InputError(
                f"reshape cannot make {self.shape} ({math.prod(self.shape)} numbers) of {shape} ({math.prod(shape)} "
                "numbers): change shape or the layer before"
            )
        return self.shape

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return ``x`` as ``(R or 1, B, *shape)``."""
        return x.reshape(*x.shape[:2], *self.output_shape(self.input_shape))

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return ``dy`` in the input's shape."""
        return dy.reshape(*dy.shape[:2], *self.input_shape) if need_dx else None


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``reshape``."""
    yield LayerSpec("reshape", Reshape)
