"""Mean squared error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_values, hookimpl

from ._mean import mean_of_runs


class MSE(Loss):
    """Mean squared error, over the batch and all outputs.

    The loss, averaged over the batch and all outputs, is::

        (y - target)^2

    There is no factor 1/2. Predictions y are ``(R, B, *output)``; the loss is one number per run, ``(R,)``. Labels are
    one-hot encoded; with a single output, the label itself is the target.

    Raises ``InputError`` if the targets do not match the model's outputs.

    Source: torch's ``MSELoss`` with ``reduction="mean"``.

    Differs from torch: not at all.
    """

    replayable = True
    minima = (0.0,)
    unit = "squared units of the scaled targets"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean squared error per run, ``(R,)``."""
        self._error = predictions - as_values(targets, predictions, checked=self.labels_checked)
        return mean_of_runs(np.square(self._error))

    def backward(self) -> np.ndarray:
        """Return 2 (y - target) / count, shaped as the predictions; count is the numbers per run."""
        return self._error * (2.0 / self._error[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=mse``."""
    yield LossSpec("mse", MSE)
