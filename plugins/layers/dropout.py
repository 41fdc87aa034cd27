"""Dropout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Layer, LayerSpec, hookimpl, hyper


class Dropout(Layer):
    """Set each number to zero with probability rate while training, and enlarge the others to keep the mean.

    The output in training is::

        y = x / (1 - rate)                      if kept, else 0

    In evaluation y = x. The shape ``(R, B, *shape)`` stays the same. The random numbers depend on the run's seed and
    the epoch. If runs differ only in rate, each number that is dropped at a lower rate is dropped at a higher one too.

    Source: Srivastava et al. 2014, JMLR 15, section 10 (the "inverted" form).
    """

    replayable = True
    output_kind = ""

    noisy = True
    rate: float = hyper(0.5, at_least=0, below=1, search=(0.0, 0.8), help="share of the numbers that is dropped")

    def forward(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        """Return the input with numbers dropped, ``(R, B, *shape)``, or in evaluation the input itself."""
        self._factor: np.ndarray | None = None
        if not training:
            return x
        noise = self.noise.uniform(x.shape[1:], x.dtype)
        rate = self.column(self.rate, x)
        kept = noise >= rate
        self._factor = np.multiply(kept, self.column(1 / (1 - self.rate), x), dtype=x.dtype)
        runs = max(len(x), len(self._factor))
        y = self.scratch("y", (runs, *x.shape[1:]), x.dtype)
        return np.multiply(x, self._factor, out=y)

    def backward(self, dy: np.ndarray, *, need_dx: bool) -> np.ndarray | None:
        """Return dy times the same factors."""
        if not need_dx:
            return None
        if self._factor is None:
            return dy
        return np.multiply(dy, self._factor, out=self.scratch("dx", dy.shape, dy.dtype))


@hookimpl
def register_layers() -> Iterator[LayerSpec]:
    """Register ``dropout``."""
    yield LayerSpec("dropout", Dropout)
