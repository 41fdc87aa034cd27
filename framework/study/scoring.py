"""The figures that enter a comparison: no run is dropped, and no infinity enters a mean or a test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from framework.config.metrics import LOSS
from framework.config.resolved import RunConfig
from framework.runs.finished import Finished
from framework.sweeps.blocks import Ended
from framework.sweeps.by_setting import DIVERGED
from framework.sweeps.leaderboard import ranking
from framework.training import kept

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
            untrained: the untrained model's figure.
        """
        if self.worst is not None:
            return self.worst if lost or not math.isfinite(value) else value
        if not math.isfinite(untrained):
            raise ValueError(f"the untrained model's {self.metric} is not finite: {untrained}")
        if lost or not math.isfinite(value):
            return untrained
        return max(value, untrained) if self.greater else min(value, untrained)


def scale_of(config: RunConfig, ends: Iterable[Ended]) -> Scale:
    """Return the scale of a problem: the figure that ranks its runs, or the loss if none of them has finished.

    Args:
        config: the configuration of one of its runs.
        ends: their results.
    """
    finished = next((end for end in ends if isinstance(end, Finished)), None)
    if finished is None:
        return Scale(LOSS, greater=False)
    figure, greater = ranking(list(finished.metrics), finished.directions)
    name = figure.removeprefix(kept.VALIDATION)
    worst = next((metric.part.cls.worst for metric in config.metrics if metric.name == name), None)
    return Scale(name, greater, worst)


def lost(end: Ended) -> bool:
    """Return whether a run diverged or failed."""
    return not isinstance(end, Finished) or end.ended == DIVERGED


def figure_of(end: Ended, name: str) -> float:
    """Return a figure of the kept model, named as ``val/…`` or ``test/…``; NaN if the run has none."""
    if not isinstance(end, Finished):
        return math.nan
    recorded = name if name.startswith(kept.TEST) else kept.PREFIX + name
    return float(end.metrics.get(recorded, math.nan))


def finite_untrained(figures: Iterable[Figures], name: str, others: Iterable[float], *, greater: bool) -> list[float]:
    """Return the untrained model's figure of each seed; one that overflowed is replaced by the worst finite figure.

    Args:
        figures: of the untrained model, for each seed.
        name: the figure's name.
        others: the figures of runs on the same problem.
        greater: whether greater is better.
    """
    values = np.array([each.get(name, math.nan) for each in figures])
    known = np.array([*values[np.isfinite(values)], *(value for value in others if math.isfinite(value)), 0.0])
    if not np.isfinite(values).all() and known.size > 1:
        known = known[:-1]
    worst = known.min() if greater else known.max()
    return [float(value) if math.isfinite(value) else float(worst) for value in values]
