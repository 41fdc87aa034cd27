"""Base class of stages that average the parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from framework import Parameters, Stage, State


class AveragedParameters(Stage, ABC):
    """A running average of the parameters, which is evaluated and saved instead of them; training does not use it."""

    replayable = True

    @abstractmethod
    def share(self, count: np.ndarray) -> np.ndarray:
        """Return the weight of the newest parameters in the average, in [0, 1], float64, ``(R, 1)``.

        Args:
            count: the number of steps taken, this one included, float64, ``(R, 1)``.
        """

    def initial_state(self, parameters: Parameters) -> State:
        """Return the average, initially the parameters ``(R, size)``, and the count of steps ``(R, 1)``."""
        return {"average": parameters.flat.copy(), "count": np.zeros((parameters.runs, 1))}

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Include the updated parameters in the average."""
        state["count"] += 1
        share = np.broadcast_to(self.share(state["count"]), state["count"].shape).astype(parameters.dtype)
        average, newest = state["average"], parameters.flat
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            average += share * (newest - average)
        # a share of 1 gives exactly the newest, even if the average was not finite
        average[...] = np.where(share == 1, newest, average)

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the average, ``(R, size)``."""
        return state["average"]
