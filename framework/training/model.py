"""The model: a sequence of registered layers whose parameters and gradients are views of flat buffers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.base.initializers import initialize
from framework.base.layer import Buffer, Layer, Weight, count
from framework.base.parameters import Parameters, Shape
from framework.base.randomness import Noise, SeedGroups
from framework.errors import InputError, PluginError
from framework.system.resources import memory_limit

EVALUATED = 2**21
"""Upper bound on the activations of one run that an evaluation computes at once; see `Model.samples_at_once`."""


@dataclass(frozen=True)
class Row:
    """One line of the layer table.

    Attributes:
        name: position and kind of the layer, such as ``"2_dense"``.
        output_shape: shape of its output for one sample.
        parameters: number of parameters of one run.
    """

    name: str
    output_shape: Shape
    parameters: int


class Model:
    """A sequence of layers for R runs, with tensors in flat ``(R, size)`` buffers.

    Args:
        layers: pairs of a layer's name (``"dense"``) and the layer; the model takes ownership of the layers.
        input_shape: shape of one sample.
        seeds: one seed per run; initial weights and noise depend only on it and on the tensor's name.
        dtype: dtype of parameters, gradients and activations.

    Raises:
        InputError: a layer does not accept the output shape of the one before it, or the model does not fit into
            the free memory.
    """

    def __init__(
        self, layers: Sequence[tuple[str, Layer]], input_shape: Shape, seeds: Sequence[int], dtype: Any
    ) -> None:
        self.layers = [layer for _, layer in layers]
        self.input_shape = input_shape
        groups = SeedGroups(seeds)
        weights: dict[str, Weight] = {}
        buffers: dict[str, Buffer] = {}
        self.rows: list[Row] = []
        for number, (kind, layer) in enumerate(layers, start=1):
            name = f"{number}_{kind}"
            output = _shape_after(layer, name, input_shape)
            own = layer.weights(input_shape)
            weights |= {f"{name}/{tensor}": weight for tensor, weight in own.items()}
            buffers |= {f"{name}/{tensor}": buffer for tensor, buffer in layer.buffers(input_shape).items()}
            self.rows.append(Row(name, output, count(own)))
            layer.input_shape = input_shape
            if layer.noisy:
                layer.noise = Noise(groups, name)
            input_shape = output
        self.output_shape = input_shape
        self._refuse_too_large(len(seeds) * np.dtype(dtype).itemsize)
        self.parameters = Parameters({name: weight.shape for name, weight in weights.items()}, len(seeds), dtype)
        self.gradients = self.parameters.like()
        self.buffers = Parameters({name: buffer.shape for name, buffer in buffers.items()}, len(seeds), dtype)
        for name, weight in weights.items():
            initialize(self.parameters.views[name], weight, name, groups)
        self._buffer_starts = {name: buffer.start for name, buffer in buffers.items()}
        self._reset_buffers()
        self._bind()

    def _refuse_too_large(self, size: int) -> None:
        """Raise `InputError` if parameters, gradients and one sample's activations exceed the free memory.

        Args:
            size: bytes per number, summed over all runs.
        """
        parameters = sum(row.parameters for row in self.rows)
        activations = sum(math.prod(row.output_shape) for row in self.rows)
        needed, limit = (2 * parameters + activations) * size, memory_limit()
        if limit is not None and needed > limit:
            raise InputError(
                f"the model has {parameters:,} parameters and {activations:,} activations per sample: it needs "
                f"{needed / 2**30:,.1f} GiB, but {limit / 2**30:,.1f} GiB are free: use smaller layers"
            )

    def _bind(self) -> None:
        for row, layer in zip(self.rows, self.layers, strict=True):
            layer.weight = _below(self.parameters, row.name)
            layer.gradient = _below(self.gradients, row.name)
            layer.buffer = _below(self.buffers, row.name)
        trained = [index for index, row in enumerate(self.rows) if row.parameters]
        self._first_trained = trained[0] if trained else len(self.layers)
        self._last_buffered = max((index for index, layer in enumerate(self.layers) if layer.buffer), default=-1)

    def _reset_buffers(self) -> None:
        for name, start in self._buffer_starts.items():
            self.buffers.views[name][...] = start

    @property
    def samples_at_once(self) -> int:
        """Number of samples to evaluate at once, 1 to 1000.

        It depends only on the size of the model, because the bits of a result must not depend on the number of runs.
        """
        activations = sum(math.prod(row.output_shape) for row in self.rows)
        return max(1, min(1_000, EVALUATED // activations))

    def begin_epoch(self, epoch: int) -> None:
        """Restart every noise stream for ``epoch``."""
        for layer in self.layers:
            if layer.noisy:
                layer.noise.begin(epoch)

    def recompute_buffers(self, batches: Iterable[np.ndarray], epoch: int) -> None:
        """Set the buffers to the statistics of the training inputs under the current parameters.

        This pass uses separate noise streams; call `begin_epoch` before training continues.

        Args:
            batches: inputs ``(R or 1, B, *input_shape)``, evaluated in training mode.
            epoch: epoch that selects the noise streams.
        """
        self._reset_buffers()
        for layer in self.layers:
            if layer.noisy:
                layer.noise.begin(epoch, "statistics")
        for batch, x in enumerate(batches, start=1):
            for layer in self.layers[: self._last_buffered + 1]:
                x = layer.recompute_buffers(x, batch=batch)

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Return predictions ``(R, B, *output_shape)`` for inputs ``(R or 1, B, *input_shape)``.

        The result is valid until the next call of `forward`.
        """
        for layer in self.layers:
            x = layer.forward(x, training=training)
        runs = self.parameters.runs
        return x if len(x) == runs else np.broadcast_to(x, (runs, *x.shape[1:]))

    def backward(self, dy: np.ndarray) -> None:
        """Write the gradients of the parameters into the gradient buffer.

        Args:
            dy: gradient of the loss with respect to the predictions of the last `forward`.

        Raises:
            PluginError: a layer returned None for the requested gradient of its input.
        """
        for layer in reversed(self.layers[self._first_trained + 1 :]):
            dx = layer.backward(dy, need_dx=True)
            if dx is None:
                raise PluginError(f"layer {layer.label()} returned None instead of the gradient of its input")
            dy = dx
        for layer in self.layers[self._first_trained : self._first_trained + 1]:
            layer.backward(dy, need_dx=False)


def _shape_after(layer: Layer, name: str, shape: Shape) -> Shape:
    try:
        return layer.output_shape(shape)
    except InputError as error:
        raise InputError(f"model layer {name}: {error}") from None


def _below(tensors: Parameters, name: str) -> dict[str, np.ndarray]:
    return {full.split("/", 1)[1]: view for full, view in tensors.views.items() if full.startswith(name + "/")}
