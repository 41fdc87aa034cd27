"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import INITIALIZERS, InputError, Layer, LayerSpec, Shape, Weight, choice, flag, hookimpl, hyper, integer


class Dense(Layer):
    """Fully connected: y = x W + b.

    For flat samples ``(features,)``, the output ``(units,)`` is::

        y = x W + b

    Each run has its own W, ``(features, units)``, and b, ``(units,)``, which starts at zero.

    Raises ``InputError`` if samples are not flat.

    Differs from torch's ``Linear``: torch's weight is the transpose of W.
    """

    replayable = True
    output_kind = "logits"
    examples = ({"units": 3},)

    units: int | str = integer("outputs", words=("outputs",), at_least=1, help="outputs: as many as the data set needs")
    bias: bool = flag(True, help="add b")
    initial: str = choice("glorot_uniform", tuple(INITIALIZERS), help="initializer of W")
    init_scale: float = hyper(1.0, at_least=0, prior="log", search=(0.1, 10.0), help="multiplies the initial W")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(units,)``.

        Raises:
            InputError: ``shape`` is not flat, or ``units`` is ``outputs`` and there is no data set.
        """
        if isinstance(self.units, str):
            raise InputError("units=outputs is known only together with a data set: give a number")
        if len(shape) != 1:
            raise InputError(f"dense takes flat samples but gets {shape}: put flatten before it")
        return (self.units,)

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return ``weight`` and, with bias, ``bias``."""
        features, units = *shape, *self.output_shape(shape)
        own = {"weight": Weight((features, units), self.initial, features, units, self.init_scale)}
        return own | ({"bias": Weight((units,))} if self.bias else {})

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return x W + b, ``(R, B, units)``."""
        self._x = x
        weight = self.weight["weight"]
        y = self.scratch("y", (len(weight), x.shape[1], weight.shape[2]), x.dtype)
        np.matmul(x, weight, out=y)
        if self.bias:
            y += self.weight["bias"][:, None]
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write dW = x^T dy and db = the sum of dy over the batch; return dy W^T, ``(R, B, features)``."""
        np.matmul(self._x.swapaxes(1, 2), dy, out=self.gradient["weight"])
        if self.bias:
            np.add.reduce(dy, axis=1, out=self.gradient["bias"])
        if not need_dx:
            return None
        dx = self.scratch("dx", (*dy.shape[:2], self._x.shape[2]), dy.dtype)
        return np.matmul(dy, self.weight["weight"].swapaxes(1, 2), out=dx)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``dense``."""
    yield LayerSpec("dense", Dense)
