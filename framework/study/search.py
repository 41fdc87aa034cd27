"""The tuning of one entrant on one problem: trials, and extensions of a range whose edge is best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from framework.study.settings import Study
from framework.study.space import Axis, at_edge, shares_of
from framework.study.tuners import TUNERS, Tuner


@dataclass(frozen=True)
class Trial:
    """A tried setting.

    Attributes:
        values: the values of the tuned fields by name.
        round: 0, and one more per extension of a range.
        figure: the counted validation figure, averaged over the tuning seeds, in its own direction.
        loss: the validation loss, averaged likewise; infinite if a run has none.
        diverged: the number of its runs that diverged or failed.
    """

    values: Mapping[str, float]
    round: int
    figure: float = math.nan
    loss: float = math.inf
    diverged: int = 0


class Search:
    """Finds the best setting of one entrant on one problem.

    Args:
        axes: the tuned fields; at least one.
        settings: the study's settings.
        greater: whether greater figures are better.
    """

    def __init__(self, axes: Sequence[Axis], settings: Study, *, greater: bool) -> None:
        self.axes = tuple(axes)
        self.trials: list[Trial] = []
        self._settings = settings
        self._sign = -1.0 if greater else 1.0
        self._round = 0
        self._tuner = self._new_tuner()

    def _new_tuner(self) -> Tuner:
        names = [axis.name for axis in self.axes]
        return TUNERS[self._settings.tuner](names, self._settings.trials, self._settings.seed)

    def ask(self) -> list[Trial]:
        """Return the next settings to try, without figures; none when the search has ended.

        If the trials of a round are spent and the best value is at the edge of its range, the range is extended and the
        whole number of trials is spent again, at most ``extensions`` times.
        """
        points = self._tuner.ask()
        if not len(points) and self._extend():
            points = self._tuner.ask()
        return [
            Trial({axis.name: axis.value(share) for axis, share in zip(self.axes, point, strict=True)}, self._round)
            for point in points.tolist()
        ]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Receive the trials of the last `ask` with their figures, in their order."""
        self.trials += trials
        self._tuner.tell(np.array([self._sign * trial.figure for trial in trials]))

    @property
    def best(self) -> Trial:
        """The trial with the best figure; of equal ones that with the lowest loss, and of those the first."""
        return min(self.trials, key=lambda trial: (self._sign * trial.figure, trial.loss))

    @property
    def edges(self) -> dict[str, int]:
        """The fields whose best value is at an edge of its range: 1 for the upper one, -1 for the lower one.

        None if all runs of the best trial were lost without a loss: then those of all trials were, and the best is
        merely the first.
        """
        best = self.best
        if best.diverged == self._settings.tuning_seeds and not math.isfinite(best.loss):
            return {}
        shares = shares_of(self.axes, [best.values[axis.name] for axis in self.axes])
        sides = {
            axis.name: at_edge(share, self._settings.trials) for axis, share in zip(self.axes, shares, strict=True)
        }
        return {name: side for name, side in sides.items() if side}

    def _extend(self) -> bool:
        """Extend the ranges whose edge is best; return whether there is one that can be extended."""
        edges = self.edges
        wider = [axis.extended(up=edges[axis.name] > 0) if axis.name in edges else None for axis in self.axes]
        if self._round == self._settings.extensions or not any(wider):
            return False
        self.axes = tuple(new or old for new, old in zip(wider, self.axes, strict=True))
        self._round += 1
        self._tuner = self._new_tuner()
        return True

    @property
    def notes(self) -> list[str]:
        """Remarks for the report: extensions, and edges that stay."""
        lines = []
        if self._round:
            again = "once" if self._round == 1 else "twice"
            lines.append(f"its range was extended {again}: {len(self.trials)} trials")
        for name, side in self.edges.items():
            axis = next(axis for axis in self.axes if axis.name == name)
            end = axis.high if side > 0 else axis.low
            lines.append(f"{name} is at the {'upper' if side > 0 else 'lower'} end of its range, {end:g}")
        return lines


def scored(trial: Trial, figures: Sequence[float], losses: Sequence[float], lost: int) -> Trial:
    """Return a trial with its figures.

    Args:
        trial: the trial.
        figures: the counted figure of each tuning seed.
        losses: the validation loss of each tuning seed; NaN for a run that has none.
        lost: the number of runs that diverged or failed.
    """
    return replace(trial, figure=float(np.mean(figures)), loss=mean_loss(losses), diverged=lost)


def mean_loss(losses: Sequence[float]) -> float:
    """Return the mean of losses; infinite if a run has none."""
    loss = float(np.mean(losses))
    return loss if math.isfinite(loss) else math.inf
