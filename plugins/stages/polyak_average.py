"""Uniform average of the parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import StageSpec, hookimpl, integer

from ._average import AveragedParameters


class PolyakAverage(AveragedParameters):
    """Evaluate the uniform average of the parameters from step start on.

    After step t, the evaluated and saved parameters are::

        p_t                                     before ``start``
        mean of p_start ... p_t                 from there on

    Training continues with p. A budget that ends before step ``start`` is refused. Batch norm's running statistics are
    not averaged: they are recomputed for the average, on the training data, before each evaluation, as in SWA.

    Sources: Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging", equation 2; Izmailov et
    al. 2018, arXiv:1803.05407 (SWA).

    Differs from SWA: SWA starts late in training and averages one point per cycle; this averages every step.
    """

    start: int = integer(1, at_least=1, help="first step whose parameters count")

    def first_act(self) -> int:
        """Return the first step that is averaged."""
        return self.start

    def share(self, count: np.ndarray) -> np.ndarray:
        """Return one over the number of steps in the average."""
        return 1 / np.maximum(count - self.start + 1, 1)


@hookimpl
def register_stages() -> Iterator[StageSpec]:
    """Yield this module's stage."""
    yield StageSpec("polyak_average", PolyakAverage)
