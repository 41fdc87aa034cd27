"""Huber's loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_values, hookimpl, hyper

from ._mean import mean_of_runs


class Huber(Loss):
    """Huber loss: squared near the target, absolute beyond delta.

    The loss, with e = y - target, averaged over the batch and all outputs, is::

        e^2 / 2                                 if |e| <= delta
        delta (|e| - delta / 2)                 otherwise

    Predictions are ``(R, B, *output)``; the loss is one number per run, ``(R,)``. Labels are one-hot encoded; with a
    single output, the label itself is the target.

    Raises ``InputError`` if the targets do not match the model's outputs.

    Source: Huber 1964, "Robust Estimation of a Location Parameter".

    Differs from torch's ``HuberLoss``: not at all.
    """

    replayable = True
    minima = (0.0,)
    delta: float = hyper(1.0, above=0, prior="log", search=(0.1, 10.0), help="error at which the loss becomes linear")

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean Huber loss per run, ``(R,)``."""
        error = predictions - as_values(targets, predictions, checked=self.labels_checked)
        delta = self.column(self.delta, error)
        self._clipped = np.clip(error, -delta, delta)
        return mean_of_runs(self._clipped * (error - 0.5 * self._clipped))  # equals both branches

    def backward(self) -> np.ndarray:
        """Return the error, clipped to [-delta, delta], divided by the numbers per run; shaped as the predictions."""
        return self._clipped * (1.0 / self._clipped[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=huber``."""
    yield LossSpec("huber", Huber)
