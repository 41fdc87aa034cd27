"""The figures that enter a comparison: no run is dropped, and no infinity enters a mean or a test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from framework.config.resolved import RunConfig
from framework.runs.finished import Finished
from framework.sweeps.blocks import Ended
from framework.sweeps.by_setting import DIVERGED
from framework.training import kept

LARGEST = float(np.finfo(np.float32).max)
"""What a figure counts as that is too large for a float32: means and differences of it are finite in float64."""

Figures = Mapping[str, float]
"""Figures by name, such as ``val/loss`` and ``test/accuracy``."""


@dataclass(frozen=True)
class Scale:
    """The figure by which the runs of a problem are compared.

    Attributes:
        metric: its name: ``"accuracy"``, or ``"loss"``.
        greater: whether greater is better.
        worst: the figure of a run that diverged or failed, which the metric's class declares; None: that of the
            untrained model, at which other figures are capped.
    """

    metric: str
    greater: bool
    worst: float | None = None

    @property
    def validation(self) -> str:
        """The name of the validation figure in a run's history."""
        return f"val/{self.metric}"

    @property
    def test(self) -> str:
        """The name of the test figure."""
        return f"{kept.TEST}{self.metric}"

    def counted(self, value: float, lost: bool, untrained: float) -> float:
        """Return the figure that enters the statistics, always finite.

        Args:
            value: the figure as recorded, or NaN.
            lost: whether the run diverged or failed.
            untrained: the untrained model's figure; one that is not finite counts as `LARGEST`.
        """
        if self.worst is not None:
            return self.worst if lost or not math.isfinite(value) else value
        overflown = -LARGEST if self.greater else LARGEST
        bound = untrained if math.isfinite(untrained) else overflown
        if lost or not math.isfinite(value):
            return bound
        return max(value, bound) if self.greater else min(value, bound)


def scale_of(config: RunConfig, untrained: Figures) -> Scale:
    """Return the scale of a problem: the figure that ranks its runs.

    Args:
        config: the configuration of one of its runs.
        untrained: the figures of its untrained model.
    """
    name = kept.ranking_figure(untrained, "val/").removeprefix("val/")
    worst = next((metric.part.cls.worst for metric in config.metrics if metric.name == name), None)
    return Scale(name, config.directions.get(name, False), worst)


def lost(end: Ended) -> bool:
    """Return whether a run diverged or failed."""
    return not isinstance(end, Finished) or end.ended == DIVERGED


def figure_of(end: Ended, name: str) -> float:
    """Return a figure of the kept model, named as ``val/…`` or ``test/…``; NaN if the run has none."""
    if not isinstance(end, Finished):
        return math.nan
    recorded = name if name.startswith(kept.TEST) else kept.PREFIX + name
    return float(end.metrics.get(recorded, math.nan))
