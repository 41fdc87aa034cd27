"""What a layer subclasses: shapes, trained tensors, a forward and its backward, for R runs at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework.base.fields import Configurable
from framework.base.parameters import Shape
from framework.base.randomness import Noise


@dataclass(frozen=True)
class Weight:
    """A trained tensor of one run: its shape and how it starts.

    Attributes:
        shape: the shape of one run's tensor.
        initial: the name of an initialiser of `framework.base.initializers`.
        fan_in: inputs that feed one output.
        fan_out: outputs that one input feeds.
        scale: multiplies what the initialiser draws, one number a run or one for all.
    """

    shape: Shape
    initial: str = "zeros"
    fan_in: int = 1
    fan_out: int = 1
    scale: np.ndarray | float = 1.0


@dataclass(frozen=True)
class Buffer:
    """A tensor of one run that is carried from step to step but not trained, such as a running mean."""

    shape: Shape
    start: float = 0.0


class Layer(Configurable, ABC):
    """One link of a model, for R runs at once.

    Activations have shape ``(R, B, *shape)``: the runs axis first, then the batch. Where all runs see the same
    numbers the input may have 1 in place of R; a layer without trained tensors then returns 1 too. Images are
    ``(height, width, channels)``.

    A layer declares `output_shape` and `weights`, then computes. The model hands it views:

    Attributes:
        weight: trained tensors by name, ``(R, *shape)`` each.
        gradient: where `backward` writes (not adds) their gradients, ``(R, *shape)`` each.
        buffer: untrained tensors by name, ``(R, *shape)`` each, changed in place.
        noise: uniform random numbers, for layers with ``noisy`` set.
        input_shape: shape of one sample.

    Traits (class attributes):
        noisy: the layer draws from ``noise``.
        vectorized: several runs can train through one object of it.
        output_kind: what its output is when it ends a model: ``"logits"``, ``"probabilities"``, anything
            (``"values"``), or "" for what its input was.
    """

    noisy: ClassVar[bool] = False
    vectorized: ClassVar[bool] = True
    output_kind: ClassVar[str] = "values"
    weight: Mapping[str, np.ndarray]
    gradient: Mapping[str, np.ndarray]
    buffer: Mapping[str, np.ndarray]
    noise: Noise
    input_shape: Shape
    example_shape: ClassVar[Shape | None] = None
    """Shape of a sample that the conformance kit can use with ``examples``; None lets it try."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return one sample's output shape for one sample's input shape.

        Raises:
            InputError: this layer cannot take such an input; the message says what it needs.
        """
        return shape

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return the trained tensors for one sample's input shape."""
        return {}

    def buffers(self, shape: Shape) -> dict[str, Buffer]:
        """Return the untrained tensors for one sample's input shape."""
        return {}

    @abstractmethod
    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the output for ``x``, shape ``(R or 1, B, *input_shape)``, and keep what `backward` needs.

        The result may live in a `scratch` array: it is valid until the next forward. ``x`` is not altered.
        """

    def recompute_buffers(self, x: np.ndarray, *, batch: int) -> np.ndarray:
        """Return the output of ``forward(x, training=True)``, and take batch number ``batch`` into the buffers.

        Called in a pass over the training data that computes the buffers anew, for parameters that training never
        saw, such as an average. The buffers hold their start before the first batch and should end as plain averages
        over the batches. By default they follow the batches as in training; a layer with running averages does better
        to weigh the newest batch by ``1 / batch``.

        Args:
            x: as in `forward`.
            batch: the number of the batch in the pass, from 1.
        """
        return self.forward(x, training=True)

    @abstractmethod
    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the gradients of the trained tensors; return the gradient of the input where ``need_dx``.

        Args:
            dy: gradient of the last forward's output, shape ``(R, B, *output)``. It is not altered.
            need_dx: False for the first layer with trained tensors, which has nobody to pass a gradient to.

        Returns:
            Shape ``(R, B, *input_shape)``; valid until the next backward.
        """

    def scratch(self, key: str, shape: Shape, dtype: Any) -> np.ndarray:
        """Return an array with undefined contents, the same one for the same key, shape and dtype."""
        held = self.__dict__.setdefault("_scratch", {})
        place = (key, shape, dtype)
        found = held.get(place)
        if found is None:
            found = held[place] = np.empty(shape, dtype)
        return found

    @staticmethod
    def column(values: np.ndarray | float, like: np.ndarray) -> np.ndarray:
        """Return a per-run column ``(R, 1)`` shaped to multiply ``like`` (runs first), in its dtype."""
        return np.asarray(values, dtype=like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def count(weights: Mapping[str, Weight]) -> int:
    """Return how many trained numbers one run has in ``weights``."""
    return sum(math.prod(weight.shape) for weight in weights.values())
