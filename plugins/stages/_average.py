"""What the averages of the parameters have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from framework import Parameters, Stage, State


class AveragedParameters(Stage, ABC):
    """A running average of the parameters, evaluated and kept in their place; training never sees it."""

    @abstractmethod
    def share(self, count: np.ndarray) -> np.ndarray:
        """Return how much of the newest parameters goes into the average, in [0, 1], float64, ``(R, 1)``.

        Args:
            count: the steps taken so far, this one included, float64, ``(R, 1)``.
        """

    def initial_state(self, parameters: Parameters) -> State:
        """Return the average, which starts where the parameters are, and the count of steps."""
        return {"average": parameters.flat.copy(), "count": np.zeros((parameters.runs, 1))}

    def after(self, parameters: Parameters, gradients: Parameters, state: State, lr: np.ndarray) -> None:
        """Take the moved parameters into the average."""
        state["count"] += 1
        share = np.broadcast_to(self.share(state["count"]), state["count"].shape).astype(parameters.dtype)
        average, newest = state["average"], parameters.flat
        with np.errstate(all="ignore"):  # a diverged run has inf and NaN here, which follow IEEE 754
            average += share * (newest - average)
        whole = share[:, 0] == 1
        average[whole] = newest[whole]  # a share of 1 is exact, whatever stood in the average

    def evaluation_point(self, parameters: Parameters, state: State) -> np.ndarray | None:
        """Return the average, ``(R, size)``."""
        return state["average"]
