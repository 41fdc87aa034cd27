"""Base class of layers: shapes, trained tensors, forward and backward pass, for R runs at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.base.numerics import trailing
from framework.base.parameters import Shape
from framework.base.randomness import Noise

Allocate = Callable[[Shape, Any], np.ndarray]
"""Returns a new array with undefined contents for a shape and a dtype."""


@dataclass(frozen=True)
class Weight:
    """A trained tensor of one run: its shape and its initialisation.

    Attributes:
        shape: the shape of one run's tensor.
        initial: the name of an initialiser of `framework.base.initializers`.
        fan_in: the number of inputs of one output.
        fan_out: the number of outputs that use one input.
        scale: factor on the initialiser's numbers, one per run or one for all runs.
        offset: added to the scaled numbers: one number per element of ``shape``, or one for all.
    """

    shape: Shape
    initial: str = "zeros"
    fan_in: int = 1
    fan_out: int = 1
    scale: np.ndarray | float = 1.0
    offset: np.ndarray | float = 0.0


@dataclass(frozen=True)
class Buffer:
    """A tensor of one run that is kept from step to step but not trained, such as a running mean.

    Attributes:
        shape: the shape of one run's tensor.
        start: the initial value of each element.
    """

    shape: Shape
    start: float = 0.0


class Layer(Configurable, ABC):
    """One layer of a model, for R runs at once.

    Activations have shape ``(R, B, *shape)``: the runs axis first, then the batch. If all runs have the same input,
    its runs axis may have length 1; a layer without trained tensors then returns length 1 too. Images are
    ``(height, width, channels)``.

    A subclass declares `output_shape` and `weights`, and implements `forward` and `backward`. The model sets these
    attributes (the tensors are views into its arrays):

    Attributes:
        weight: trained tensors by name, ``(R, *shape)`` each.
        gradient: their gradients, ``(R, *shape)`` each; `backward` overwrites them and does not add.
        buffer: untrained tensors by name, ``(R, *shape)`` each, changed in place.
        noise: uniform random numbers, for layers with ``noisy`` set.
        input_shape: shape of one sample.

    Traits (class attributes):
        noisy: whether the layer draws from ``noise``.
        vectorized: whether one instance can train several runs.
        replayable: whether NumPy's calls of a training step may be recorded and replayed without the layer: `forward`
            in training and `backward` then make the same calls with arrays of the same shapes at each step of the same
            batch size, on arrays that follow from the input, the tensors, ``noise`` and constants. So they keep no
            numbers from step to step except in ``buffer``, and take no decision that depends on a number. A layer that
            does not set it keeps its model in NumPy.
        output_kind: the kind of its output as a model's last layer: ``"logits"``, ``"probabilities"``, ``"values"``
            (any numbers), or "" for the kind of its input.
    """

    noisy: ClassVar[bool] = False
    vectorized: ClassVar[bool] = True
    replayable: ClassVar[bool] = False
    output_kind: ClassVar[str] = "values"
    weight: Mapping[str, np.ndarray]
    gradient: Mapping[str, np.ndarray]
    buffer: Mapping[str, np.ndarray]
    noise: Noise
    input_shape: Shape
    _scratch: tuple[dict[Any, np.ndarray], Allocate] | None = None
    example_shape: ClassVar[Shape | None] = None
    """Shape of a sample that the conformance kit uses with ``examples``; None lets it try several shapes."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return one sample's output shape for one sample's input shape.

        Raises:
            InputError: the layer does not accept this input shape; the message names the shape it needs.
        """
        return shape

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return the trained tensors by name for one sample's input shape."""
        return {}

    def buffers(self, shape: Shape) -> dict[str, Buffer]:
        """Return the untrained tensors by name for one sample's input shape."""
        return {}

    @abstractmethod
    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output for ``x`` and store the intermediate values that `backward` needs.

        The result may be a `scratch` array: it is valid until the next forward pass.

        Args:
            x: the input, shape ``(R or 1, B, *input_shape)``; not altered.
            training: False for an evaluation.
        """

    def recompute_buffers(self, x: np.ndarray, *, batch: int) -> np.ndarray:
        """Return the output of ``forward(x, training=True)`` and update the buffers with batch number ``batch``.

        It is called in a pass over the training data that recomputes the buffers for parameters that were not
        trained, such as an average. The buffers have their start values before the first batch and should end as
        plain averages over the batches. By default they are updated as in training; a layer with running averages
        should give the newest batch the weight ``1 / batch``.

        Args:
            x: as in `forward`.
            batch: the number of the batch in the pass, from 1.
        """
        return self.forward(x, training=True)

    @abstractmethod
    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the gradients of the trained tensors; return the gradient of the input if ``need_dx`` is set.

        Args:
            dy: gradient of the last forward pass's output, shape ``(R, B, *output)``; not altered.
            need_dx: False for the first layer with trained tensors: no earlier layer needs the input's gradient.

        Returns:
            The input's gradient, shape ``(R, B, *input_shape)``; valid until the next backward pass.
        """

    def scratch(self, key: str, shape: Shape, dtype: Any) -> np.ndarray:
        """Return a reusable array with undefined contents: the same array for the same key, shape and dtype."""
        arrays, allocate = self._scratch or self.use_scratch()
        index = (key, shape, dtype)
        array = arrays.get(index)
        if array is None:
            array = arrays[index] = allocate(shape, dtype)
        return array

    def use_scratch(self, allocate: Allocate = np.empty) -> tuple[dict[Any, np.ndarray], Allocate]:
        """Forget the arrays of `scratch`; ``allocate`` makes the new ones. Return both."""
        self._scratch = {}, allocate
        return self._scratch

    @staticmethod
    def column(values: np.ndarray | float, like: np.ndarray) -> np.ndarray:
        """Return a per-run column ``(R, 1)`` as ``(R, 1, …)``, to broadcast with ``like``, in its dtype."""
        return trailing(np.asarray(values, dtype=like.dtype), like.ndim - 1)


def count(weights: Mapping[str, Weight]) -> int:
    """Return the number of trained parameters of one run in ``weights``."""
    return sum(math.prod(weight.shape) for weight in weights.values())
