"""Mean absolute error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import Loss, LossSpec, as_values, hookimpl

from ._mean import mean_of_runs


class MAE(Loss):
    """Mean absolute error, over the batch and all outputs.

    The loss, averaged over the batch and all outputs, is::

        |y - target|

    The gradient is 0 if y equals the target. Predictions y are ``(R, B, *output)``; the loss is one number per run,
    ``(R,)``. Labels are one-hot encoded; with a single output, the label itself is the target.

    Raises ``InputError`` if the targets do not match the model's outputs.

    Source: torch's ``L1Loss`` with ``reduction="mean"``.

    Differs from torch: not at all.
    """

    replayable = True
    minima = (0.0,)
    unit = "units of the scaled targets"

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the mean absolute error per run, ``(R,)``."""
        self._error = predictions - as_values(targets, predictions, checked=self.labels_checked)
        return mean_of_runs(np.abs(self._error))

    def backward(self) -> np.ndarray:
        """Return sign(y - target) / count, shaped as the predictions; count is the numbers per run."""
        return np.sign(self._error) * (1.0 / self._error[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=mae``."""
    yield LossSpec("mae", MAE)
