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

    The gradient at an exact hit is 0. Labels are compared one-hot.

    Source: torch's ``L1Loss`` with ``reduction="mean"``.
    """

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each run's mean absolute error."""
        self._error = predictions - as_values(targets, predictions)
        return mean_of_runs(np.abs(self._error))

    def backward(self) -> np.ndarray:
        """Return sign(y - target) / count."""
        return np.sign(self._error) * (1.0 / self._error[0].size)


@hookimpl
def register_losses() -> Iterator[LossSpec]:
    """Provide ``loss=mae``."""
    yield LossSpec("mae", MAE)
