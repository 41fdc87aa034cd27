"""The two-dimensional convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from framework import INITIALIZERS, InputError, Layer, LayerSpec, Shape, Weight, choice, flag, hookimpl, hyper, integer

from ._channels import as_rows, spread, totals
from ._windows import gather, image_shape, steps

BLOCK = 2**15
"""Numbers of the window matrix per run and block, so that a block is still in the processor's cache when it is
multiplied. The whole matrix is kernel_size^2 times as large as the images."""


class Conv2d(Layer):
    """Convolution over images: each filter's dot product with every window, plus b.

    For images ``(height, width, channels)``, the output ``(height', width', filters)`` is::

        y[i, j] = sum of window[i, j] W + b
        height' = floor((height + zeros - kernel_size) / stride) + 1, likewise width'

    Here zeros is the number of rows added at the top and bottom together. Each run has its own W,
    ``(kernel_size, kernel_size, channels, filters)``, and b, ``(filters,)``, which starts at zero. As is usual in deep
    learning, W is not flipped (cross-correlation).

    The image is padded with zeros. ``valid`` adds none. ``same`` adds as many as make height' = ceil(height / stride),
    an odd pixel at the bottom and right. A number adds that many pixels on each side; it must be below ``kernel_size``.

    Raises ``InputError`` if a sample is not an image or a window does not fit in the padded image.

    Differs from torch's ``Conv2d``: the channels are the last axis of an image here and the first in torch, and torch's
    weight has the axes ``(filters, channels, kernel_size, kernel_size)``.
    """

    replayable = True
    output_kind = "logits"

    filters: int = integer(8, at_least=1, help="channels of the output")
    kernel_size: int = integer(3, at_least=1, help="side of the square window, in pixels")
    stride: int = integer(1, at_least=1, help="step between windows, in pixels")
    padding: int | str = integer("valid", words=("valid", "same"), at_least=0, help="zeros around the image")
    bias: bool = flag(True, help="add b, one number per filter")
    initial: str = choice("glorot_uniform", tuple(INITIALIZERS), help="initializer of the filters")
    init_scale: float = hyper(1.0, at_least=0, prior="log", search=(0.1, 10.0), help="multiplies the initial filters")

    def _pads(self, extent: int) -> tuple[int, int]:
        """Return the numbers of zeros before and after an axis of ``extent`` pixels."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "same":
            covered = (math.ceil(extent / self.stride) - 1) * self.stride + self.kernel_size
            both = max(covered - extent, 0)
            return both // 2, both - both // 2
        return int(self.padding), int(self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(height', width', filters)``.

        Raises:
            InputError: ``shape`` is not an image, the padding is not below ``kernel_size``, or no window fits.
        """
        height, width, _ = image_shape(shape, "conv2d")
        if not isinstance(self.padding, str) and self.padding >= self.kernel_size:
            raise InputError(
                f"padding={self.padding} makes windows without any pixel: keep it below kernel_size={self.kernel_size}"
            )
        windows = [steps(sum(self._pads(n)) + n, self.kernel_size, self.stride) for n in (height, width)]
        if min(windows) == 0:
            raise InputError(
                f"kernel_size={self.kernel_size} does not fit in {height} x {width} pixels: lower it, or padding=same"
            )
        return (*windows, self.filters)

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return ``weight`` and, with bias, ``bias``."""
        channels, area = shape[2], self.kernel_size**2
        full = (self.kernel_size, self.kernel_size, channels, self.filters)
        own = {"weight": Weight(full, self.initial, area * channels, area * self.filters, self.init_scale)}
        return own | ({"bias": Weight((self.filters,))} if self.bias else {})

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the convolution, ``(R, B, height', width', filters)``.

        It is one matrix product per run and block of samples.
        """
        height, width, _ = self.output_shape(self.input_shape)
        weight = self.weight["weight"]
        runs = len(weight)
        self._x = self._padded(x)
        y = self.scratch("y", (runs, x.shape[1], height, width, self.filters), x.dtype)
        blocks = self._blocks(y, self._x.shape[-1])
        for block in blocks:
            self._columns = self._windows(self._x[:, block], self.stride, (height, width))
            np.matmul(self._columns, weight.reshape(runs, -1, self.filters), out=_as_matrix(y[:, block]))
        self._columns_are_all = len(blocks) == 1
        if self.bias:
            rows = as_rows(y)
            rows += spread(self.weight["bias"], rows.shape[2])
        return y

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the gradients of filters and bias; return the gradient of the images, ``(R, B, *input_shape)``."""
        total = self.gradient["weight"].reshape(len(dy), -1, self.filters)
        blocks = self._blocks(dy, self._x.shape[-1])
        for place, block in enumerate(blocks):
            columns = (
                self._columns if self._columns_are_all else self._windows(self._x[:, block], self.stride, dy.shape[2:4])
            )
            part = total if place == 0 else self.scratch("part", total.shape, dy.dtype)
            np.matmul(columns.swapaxes(1, 2), _as_matrix(dy[:, block]), out=part)
            if place:
                total += part
        if self.bias:
            self.gradient["bias"][...] = totals(as_rows(dy), self.filters)
        return self._image_gradient(dy) if need_dx else None

    def _image_gradient(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradient of the images: ``dy`` convolved with the flipped filters.

        This is faster than adding up overlapping windows: each pixel is one long sum.
        """
        height, width, channels = self.input_shape
        size = self.kernel_size
        turned = self.scratch("turned", (len(dy), size, size, self.filters, channels), dy.dtype)
        turned[...] = self.weight["weight"][:, ::-1, ::-1].swapaxes(3, 4)
        apart = self._apart(dy)
        self._columns_are_all = False  # their buffer may be overwritten below
        dx = self.scratch("dx", (*dy.shape[:2], height, width, channels), dy.dtype)
        for block in self._blocks(dx, self.filters):
            columns = self._windows(apart[:, block], 1, (height, width))
            np.matmul(columns, turned.reshape(len(dy), -1, channels), out=_as_matrix(dx[:, block]))
        return dx

    def _blocks(self, images: np.ndarray, channels: int) -> list[slice]:
        """Return slices of the batch with about `BLOCK` numbers in their windows, one window per pixel of ``images``.

        They depend on the shape of one run only: the number of runs must not change how a run's products are split.
        """
        _, batch, height, width, _ = images.shape
        numbers = batch * height * width * channels * self.kernel_size**2
        samples = math.ceil(batch / math.ceil(numbers / BLOCK))
        return [slice(start, start + samples) for start in range(0, batch, samples)]

    def _windows(self, images: np.ndarray, stride: int, windows: tuple[int, int]) -> np.ndarray:
        return gather(images, self.kernel_size, stride, windows, self.scratch)

    def _padded(self, x: np.ndarray) -> np.ndarray:
        height, width, channels = self.input_shape
        (top, bottom), (left, right) = self._pads(height), self._pads(width)
        if not top + bottom + left + right:
            return np.ascontiguousarray(x)
        padded = self.scratch("padded", (*x.shape[:2], top + height + bottom, left + width + right, channels), x.dtype)
        padded.fill(0)
        padded[:, :, top : top + height, left : left + width] = x
        return padded

    def _apart(self, dy: np.ndarray) -> np.ndarray:
        """Return ``dy`` with its numbers ``stride`` apart and zeros elsewhere, with one window per input pixel."""
        height, width, _ = self.input_shape
        reach = self.kernel_size - 1
        top, left = reach - self._pads(height)[0], reach - self._pads(width)[0]
        rows, columns = dy.shape[2:4]
        apart = self.scratch("apart", (*dy.shape[:2], height + reach, width + reach, self.filters), dy.dtype)
        apart.fill(0)
        down = slice(top, top + self.stride * (rows - 1) + 1, self.stride)
        across = slice(left, left + self.stride * (columns - 1) + 1, self.stride)
        apart[:, :, down, across] = dy
        return apart


def _as_matrix(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1, images.shape[-1])


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``conv2d``."""
    yield LayerSpec("conv2d", Conv2d)
