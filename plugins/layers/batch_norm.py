"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Buffer, Layer, LayerSpec, Shape, Weight, hookimpl, hyper

from ._channels import as_rows, spread, totals


class BatchNorm(Layer):
    """Normalise each channel over the batch and all pixels, then scale by gamma and shift by beta.

    With the mean and variance of the batch, the output and the running mean and variance are::

        y = gamma (x - mean) / sqrt(variance + eps) + beta
        running = (1 - momentum) running + momentum batch

    Input and output are ``(R, B, *shape)``; the last axis of a sample is the channel. Each run has its own gamma, beta
    and running mean and variance, one number per channel.

    In evaluation, the running mean and variance are used instead of the batch's. If a batch has only one number per
    channel (one sample, no pixels), the output is beta and the running variance is not updated.

    If averaged parameters are evaluated (stages ``ema``, ``polyak_average`` and ``lookahead``, schedule-free
    optimizers), the running mean and variance are recomputed for them as averages over the batches of the training
    data, each batch with the same weight, as ``torch.optim.swa_utils.update_bn`` does.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1.

    Differs from torch: not at all; with N numbers per channel, the batch's own variance divides by N, the variance
    that enters the running one by N - 1.
    """

    replayable = True

    momentum: float = hyper(0.1, at_least=0, at_most=1, help="weight of the latest batch in the running statistics")
    eps: float = hyper(1e-5, above=0, prior="log", help="added to the variance")

    def weights(self, shape: Shape) -> dict[str, Weight]:
        """Return ``gamma`` (ones) and ``beta`` (zeros), one number per channel."""
        return {"gamma": Weight(shape[-1:], "ones"), "beta": Weight(shape[-1:])}

    def buffers(self, shape: Shape) -> dict[str, Buffer]:
        """Return the running ``mean`` (0) and ``variance`` (1), one number per channel."""
        return {"mean": Buffer(shape[-1:]), "variance": Buffer(shape[-1:], 1.0)}

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the normalised input, ``(R, B, *shape)``."""
        return self._normalized(x, self.momentum if training else None)

    def recompute_buffers(self, x: np.ndarray, *, batch: int) -> np.ndarray:
        """Return the normalised input and include its mean and variance in the averages over the batches so far."""
        return self._normalized(x, 1 / batch)

    def _normalized(self, x: np.ndarray, newest: np.ndarray | float | None) -> np.ndarray:
        """Return the normalised input.

        Args:
            x: as in `forward`.
            newest: the weight of this batch in the running mean and variance, or None to normalise by them.
        """
        rows = as_rows(x)
        gamma, beta = self.weight["gamma"], self.weight["beta"]
        mean = self.buffer["mean"] if newest is None else self._mean(rows)
        width = rows.shape[2]
        self._centred = self.scratch("centred", (max(len(rows), len(mean)), *rows.shape[1:]), x.dtype)
        np.subtract(rows, spread(mean, width), out=self._centred)
        variance = self.buffer["variance"] if newest is None else self._variance(mean, newest)
        self._inverse = 1.0 / np.sqrt(variance + self.column(self.eps, variance))
        self._from_batch = newest is not None
        y = self.scratch("y", (len(gamma), *rows.shape[1:]), x.dtype)
        np.multiply(self._centred, spread(gamma * self._inverse, width), out=y)
        y += spread(beta, width)
        return y.reshape(len(y), *x.shape[1:])

    def _mean(self, rows: np.ndarray) -> np.ndarray:
        return totals(rows, *self.input_shape[-1:]) / self._count(rows)

    def _variance(self, mean: np.ndarray, newest: np.ndarray | float) -> np.ndarray:
        """Return the batch's variance, ``(lead, C)``, and update the running mean and variance."""
        squares = self.scratch("squares", self._centred.shape, self._centred.dtype)
        np.multiply(self._centred, self._centred, out=squares)
        count = self._count(squares)
        variance = totals(squares, mean.shape[1]) / count
        self._follow("mean", mean, newest)
        if count > 1:
            self._follow("variance", variance * (count / (count - 1)), newest)
        return variance

    def _follow(self, name: str, figure: np.ndarray, newest: np.ndarray | float) -> None:
        running = self.buffer[name]
        weight = self.column(newest, running)
        running *= 1.0 - weight
        running += weight * figure

    def _count(self, rows: np.ndarray) -> int:
        """Return how many numbers per channel the batch has."""
        return rows[0].size // self.input_shape[-1]

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Write the gradients of gamma and beta; return the gradient of the input, shaped as ``dy``.

        With n the normalised input and means over the batch: dx = gamma / std (dy - mean(dy) - n mean(dy n)); in
        evaluation dx = gamma / std dy.
        """
        rows = as_rows(dy)
        width, channels = rows.shape[2], self.input_shape[-1]
        product = self.scratch("product", rows.shape, dy.dtype)
        np.multiply(rows, self._centred, out=product)
        d_gamma = totals(product, channels) * self._inverse
        d_beta = totals(rows, channels)
        self.gradient["gamma"][...] = d_gamma
        self.gradient["beta"][...] = d_beta
        if not need_dx:
            return None
        dx = self.scratch("dx", rows.shape, dy.dtype)
        if self._from_batch:
            count = self._count(rows)
            np.multiply(self._centred, spread(d_gamma * self._inverse / count, width), out=dx)
            dx += spread(d_beta / count, width)
            np.subtract(rows, dx, out=dx)
        else:
            dx[...] = rows
        dx *= spread(self.weight["gamma"] * self._inverse, width)
        return dx.reshape(dy.shape)


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``batch_norm``."""
    yield LayerSpec("batch_norm", BatchNorm)
