"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, Shape, Weight, hookimpl, hyper


class LayerNorm(Layer):
    """Normalise each sample over its last axis, then scale by gamma and shift by beta.

    The output is::

        y = gamma (x - mean) / sqrt(variance + eps) + beta

    Input and output are ``(R, B, *shape)``. Mean and variance are over the last axis: all features of a flat sample, or
    the channels of one pixel of an image (as in ConvNeXt; Keras's default). The variance divides by the length of that
    axis. Each run has its own gamma and beta, as long as the last axis. Training and evaluation are the same.

    Source: Ba et al. 2016, arXiv:1607.06450, equations 3 and 4.

    Differs from torch's ``LayerNorm`` over the last axis: not at all.
    """

    replayable = True

    eps: float = hyper(1e-5, above=0, prior="log", help="added to the variance")

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return ``gamma`` (ones) and ``beta`` (zeros), as long as the last axis."""
        return {"gamma": Weight(shape[-1:], "ones"), "beta": Weight(shape[-1:])}

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the normalised input, ``(R, B, *shape)``."""
        rows = self._rows(x)
        gamma, beta = self.weight["gamma"], self.weight["beta"]
        centred = rows - rows.mean(axis=2, keepdims=True)
        squares = np.multiply(centred, centred, out=self.scratch("squares", rows.shape, x.dtype))
        variance = squares.mean(axis=2, keepdims=True)
        self._inverse = 1.0 / np.sqrt(variance + self.column(self.eps, variance))
        self._normal = centred * self._inverse
        y = self.scratch("y", (len(gamma), *rows.shape[1:]), x.dtype)
        np.multiply(self._normal, gamma[:, None], out=y)
        y += beta[:, None]
        return y.reshape(len(y), *x.shape[1:])

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the gradients of gamma and beta; return the gradient of the input, shaped as ``dy``.

        With n the normalised input, d = gamma dy and means over the last axis: dx = (d - mean(d) - n mean(d n)) / std.
        """
        rows = self._rows(dy)
        work = self.scratch("work", rows.shape, dy.dtype)
        np.sum(np.multiply(rows, self._normal, out=work), axis=1, out=self.gradient["gamma"])
        np.sum(rows, axis=1, out=self.gradient["beta"])
        if not need_dx:
            return None
        dx = self.scratch("dx", rows.shape, dy.dtype)
        np.multiply(rows, self.weight["gamma"][:, None], out=dx)
        along = np.multiply(dx, self._normal, out=work).mean(axis=2, keepdims=True)
        dx -= dx.mean(axis=2, keepdims=True)
        dx -= np.multiply(self._normal, along, out=work)
        dx *= self._inverse
        return dx.reshape(dy.shape)

    @staticmethod
    def _rows(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1, x.shape[-1])


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``layer_norm``."""
    yield LayerSpec("layer_norm", LayerNorm)
