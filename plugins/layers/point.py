"""The layer whose output is its own parameters: the model of a function problem."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import InputError, Layer, LayerSpec, Shape, Weight, hookimpl, hyper, integer, numbers


class Point(Layer):
    """A point: y = p for every sample; the input is ignored.

    The output ``(units,)`` is the trained tensor p itself, so that the loss becomes a function of the parameters. Each
    run has its own p, ``(units,)``, which starts at ``start``, plus ``spread`` times numbers from N(0, 1) that depend
    on the run's seed. The gradient of p is the sum of dy over the batch.

    Raises ``InputError`` if ``start`` has neither one number nor one per coordinate.
    """

    replayable = True
    output_kind = "values"
    examples = ({"units": 3, "start": [1.0, -2.0, 0.5]}, {"units": 2, "spread": 1.0})
    example_shape = (1,)

    units: int | str = integer(
        "outputs", words=("outputs",), at_least=1, help="coordinates; outputs: as many as needed"
    )
    start: tuple[float, ...] = numbers((0.0,), help="start: one number per coordinate, or one for all")
    spread: float = hyper(0.0, at_least=0, help="standard deviation of the starts of different seeds")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(units,)``.

        Raises:
            InputError: ``units`` is ``outputs`` and there is no data set, or ``start`` has another length.
        """
        if isinstance(self.units, str):
            raise InputError("units=outputs is known only together with a data set: give a number")
        if len(self.start) not in (1, self.units):
            raise InputError(
                f"start has {len(self.start)} numbers for {self.units} coordinates: give 1 or {self.units}"
            )
        return (self.units,)

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return ``point``."""
        return {"point": Weight(self.output_shape(shape), "normal", scale=self.spread, offset=np.array(self.start))}

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return p for each sample, ``(R, B, units)``, a read-only view."""
        point = self.weight["point"]
        return np.broadcast_to(point[:, None], (len(point), x.shape[1], point.shape[1]))

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the sum of dy over the batch; return zeros, because the output does not depend on the input."""
        np.add.reduce(dy, axis=1, out=self.gradient["point"])
        return np.zeros((*dy.shape[:2], *self.input_shape), dy.dtype) if need_dx else None


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``point``."""
    yield LayerSpec("point", Point)
