"""Results of a sweep per setting: mean and standard deviation over runs that differ only in their seed.

A ranking of single runs selects the best seed rather than the best setting, so settings are ranked instead. No run is
dropped: a setting's row counts the runs that diverged or failed, and such settings rank below complete ones.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.training import kept

Row = Mapping[str, Any]
"""One run as a flat mapping.

Keys: ``setting``, ``problem``, ``optimizer``, ``lr``, ``seed``, ``ended``, ``steps``, and the run's figures, if any.
"""

FAILED = "failed"
DIVERGED = "diverged"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of one figure over the seeds of a setting.

    Attributes:
        mean: NaN if no run has a finite figure.
        deviation: the sample standard deviation (divisor n - 1), or None for fewer than two runs.
        count: number of runs with a finite figure.
    """

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of the finite values in ``values``."""
        finite = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
        if not finite.size:
            return cls(math.nan, None, 0)
        if finite.size == 1:
            return cls(float(finite[0]), None, 1)
        if finite.min() == finite.max():  # avoid rounding errors: the computed deviation need not be 0
            return cls(float(finite[0]), 0.0, finite.size)
        return cls(float(finite.mean()), float(finite.std(ddof=1)), finite.size)

    @property
    def squared_error(self) -> float:
        """The squared standard error of the mean, deviation² / count; infinite for fewer than two runs."""
        return math.inf if self.deviation is None else self.deviation**2 / self.count


@dataclass(frozen=True)
class Setting:
    """One setting of a sweep: runs that differ only in their seed.

    Attributes:
        name: the value of the tag ``setting``.
        problem, optimizer, lr: shared by its runs; lr is None if the optimizer has none.
        seeds: number of distinct seeds, including those of diverged and failed runs.
        diverged, failed: number of runs that diverged or failed.
        steps: mean number of optimizer steps of the runs that did not fail; NaN if all failed.
        figures: spread of each figure of the kept model, over the runs that have one; a run that diverged from the
            start has none.
        equal: names of settings whose runs have bit-identical figures, seed by seed, such as a second name of the
            same algorithm; they get no row of their own.
    """

    name: str
    problem: str
    optimizer: str
    lr: float | None
    seeds: int
    diverged: int
    failed: int
    steps: float
    figures: Mapping[str, Spread]
    equal: tuple[str, ...] = ()

    @classmethod
    def of(cls, runs: Sequence[Row], equal: Sequence[str] = ()) -> Setting:
        """Return the setting of runs that differ only in their seed, one run per seed; ``equal`` as the attribute."""
        first = runs[0]
        alive = [run for run in runs if run["ended"] != FAILED]
        kept_models = [run for run in alive if math.isfinite(run.get(kept.LOSS, math.nan))]
        names = dict.fromkeys(name for run in alive for name in kept.figures(run))
        return cls(
            name=str(first["setting"]),
            problem=str(first["problem"]),
            optimizer=str(first["optimizer"]),
            lr=first.get("lr"),
            seeds=len(runs),
            diverged=sum(run["ended"] == DIVERGED for run in runs),
            failed=len(runs) - len(alive),
            steps=float(np.mean([run["steps"] for run in alive])) if alive else math.nan,
            figures={name: Spread.of(run.get(name, math.nan) for run in kept_models) for name in names},
            equal=tuple(equal),
        )

    @property
    def complete(self) -> bool:
        """Whether no run diverged or failed."""
        return not (self.diverged or self.failed)

    def spread(self, figure: str) -> Spread:
        """Return one figure's spread; its mean is NaN and its count 0 if no run has the figure."""
        return self.figures.get(figure, Spread(math.nan, None, 0))


def by_setting(runs: Iterable[Row], figure: str, *, greater: bool) -> list[Setting]:
    """Return the settings of a sweep, best mean of ``figure`` first.

    Complete settings come first, then those with diverged or failed runs, in increasing order of the lost fraction: a
    mean over the remaining runs is biased in their favor. Equal means are ordered by the kept model's validation loss.

    Args:
        runs: in any order. If several runs have the same problem, setting and seed, the last one counts.
        figure: the validation figure to rank by, such as ``kept/val/accuracy``.
        greater: whether greater is better.
    """
    groups: dict[tuple[str, str], dict[Any, Row]] = {}
    for run in runs:
        groups.setdefault((str(run["problem"]), str(run["setting"])), {})[run["seed"]] = run
    twins: dict[Hashable, list[list[Row]]] = {}
    for number, members in enumerate(groups.values()):
        rows = list(members.values())
        twins.setdefault(_numbers(rows) or number, []).append(rows)
    settings = [Setting.of(rows, [str(others[0]["setting"]) for others in more]) for rows, *more in twins.values()]

    return sorted(settings, key=lambda setting: place(setting, figure, greater=greater))


def place(setting: Setting, figure: str, *, greater: bool) -> tuple[float, float, float]:
    """Return the sort key of a setting, smallest for the best; arguments and order as in `by_setting`."""
    mean, loss = setting.spread(figure).mean, setting.spread(kept.LOSS).mean
    lost = (setting.diverged + setting.failed) / setting.seeds if math.isfinite(mean) else 2.0
    return lost, (-mean if greater else mean) if lost < 2.0 else 0.0, loss if math.isfinite(loss) else math.inf


def _numbers(runs: Sequence[Row]) -> Hashable:
    """Return a key that is the same for equal settings (problem, seeds, figures); None if no run has a finite loss."""
    if not any(math.isfinite(run.get(kept.LOSS, math.nan)) for run in runs):
        return None
    by_seed = sorted(runs, key=lambda run: run["seed"])
    figures = tuple(
        (run["seed"], run["ended"], *((name, repr(run[name])) for name in sorted(kept.figures(run)))) for run in by_seed
    )
    return runs[0]["problem"], figures


def best_of_each(settings: Iterable[Setting]) -> list[Setting]:
    """Return the best setting of each optimizer; ``settings`` are in the order of `by_setting`."""
    best: dict[str, Setting] = {}
    for setting in settings:
        best.setdefault(setting.optimizer, setting)
    return list(best.values())


def tied_with_first(settings: Sequence[Setting], figure: str) -> list[Setting]:
    """Return the first setting and those whose mean is within one standard error of the first one's.

    The standard error is that of the difference of the two means. A setting with one seed has none, and a setting with
    diverged or failed runs is not compared: neither is a tie.

    Args:
        settings: in the order of `by_setting`.
        figure: the figure to compare.
    """
    if not settings:
        return []
    first, *others = settings
    top = first.spread(figure)

    def near(setting: Setting) -> bool:
        own = setting.spread(figure)
        error = math.sqrt(top.squared_error + own.squared_error)
        return setting.complete and math.isfinite(error) and abs(top.mean - own.mean) <= error

    return [first, *(setting for setting in others if near(setting))]


def records(settings: Iterable[Setting]) -> list[dict[str, Any]]:
    """Return one flat row per setting, for files and frames; ``…`` is a mean and ``… std`` its standard deviation."""
    rows = []
    for setting in settings:
        row: dict[str, Any] = {
            "setting": setting.name,
            "equal": ", ".join(setting.equal),
            "problem": setting.problem,
            "optimizer": setting.optimizer,
            "lr": setting.lr,
            "seeds": setting.seeds,
            "diverged": setting.diverged,
            "failed": setting.failed,
        }
        for name, spread in setting.figures.items():
            row |= {name: spread.mean, f"{name} std": spread.deviation}
        rows.append({**row, "steps": setting.steps})
    return rows
