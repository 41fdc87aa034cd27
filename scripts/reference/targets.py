"""Measure the targets of the problems: python scripts/reference/targets.py [PROBLEM …] [--rates 11] [--tuning 3].

A target is the figure that a well-known optimizer reaches before the budget ends, as in AlgoPerf (Dahl et al. 2023,
arXiv:2306.07179, section 4.2), with smaller numbers. SGD with momentum and Adam are trained at several learning rates
for three quarters of the budget. The best setting, by the mean over the tuning seeds of the validation figure at the
end (if equal, of the loss), is trained with five other seeds; if one of these runs diverges, the next best setting is.
The target is the median of their figures, rounded to three digits towards the worse side; if the loss declares its
minimum, three digits of the distance from it remain.

Without names, every problem in ``conf/problem`` is measured, except ``file``. Those on MNIST and Fashion-MNIST need the
data, as in training, and take minutes each; ``--rates 6 --tuning 1`` was used for them. The lines that are printed
belong into the problems' files.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.base.loss import Loss
from framework.base.run import Run
from framework.cli.help.presets import Presets
from framework.config.check import remade
from framework.config.resolved import RunConfig
from framework.errors import InputError
from framework.registry.manager import find
from framework.training.kept import ranking_figure
from framework.training.loop import train

OPTIMIZERS: tuple[Mapping[str, Any], ...] = ({"name": "sgd", "momentum": 0.9}, {"name": "adam"})
SHARE = 0.75
SEEDS = 5
DIGITS = 3


@dataclass(frozen=True)
class Measured:
    """The validation figures of one setting where three quarters of the budget end, one per seed.

    Attributes:
        optimizer: the plain data of the optimizer, with its learning rate.
        figure: name of the figure that ranks the problem's runs.
        greater: whether greater figures are better.
        values: the figures; NaN for runs that diverged.
        losses: the validation losses.
    """

    optimizer: Mapping[str, Any]
    figure: str
    greater: bool
    values: Sequence[float]
    losses: Sequence[float]

    @property
    def score(self) -> tuple[float, float]:
        """The mean figure and the mean loss, both so that greater is better; the worst if a run diverged."""
        mean, loss = statistics.fmean(self.values), statistics.fmean(self.losses)
        return (mean if self.greater else -mean, -loss) if math.isfinite(mean) else (-math.inf, -math.inf)


def main() -> None:
    """Measure each problem and print its target as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", help="default: all")
    parser.add_argument("--rates", type=int, default=11, help="learning rates per optimizer, over its declared range")
    parser.add_argument("--tuning", type=int, default=3, help="seeds with which settings are chosen")
    asked = parser.parse_args()
    presets = Presets.of()
    for name in asked.problems or [name for name in presets.names("problem") if name != "file"]:
        try:
            lines = target(presets.problem(name).config, asked.rates, asked.tuning)
        except InputError as error:  # such as data that are not there
            lines = [f"# not measured: {error}"]
        sys.stdout.write("".join(f"{line}\n" for line in [f"{name}:", *lines]))
        sys.stdout.flush()


def target(config: RunConfig, rates: int, tuning: int) -> list[str]:
    """Return the lines of one problem's file, and the figures behind them as a comment."""
    found = [each for optimizer in OPTIMIZERS for each in measure(config, spread(optimizer, rates), range(tuning))]
    ordered = [each.optimizer for each in sorted(found, key=lambda measured: measured.score, reverse=True)]
    again = (measure(config, [optimizer], range(tuning, tuning + SEEDS))[0] for optimizer in ordered)
    measured = next(each for each in again if math.isfinite(each.score[0]))
    best = measured.optimizer
    loss: type[Loss] = config.parts["loss"].cls
    lowest = loss.minimum if loss.minima and measured.figure.endswith("/loss") else 0.0
    value = rounded(statistics.median(measured.values), lowest, greater=measured.greater)
    called = "SGD with momentum" if "momentum" in best else "Adam"
    figures = f"{min(measured.values):.6g} to {max(measured.values):.6g}"
    return [
        f"target: {value!r}",
        f"target_source: median of {SEEDS} seeds of tuned {called} after 3/4 of the budget "
        "(scripts/reference/targets.py)",
        f"# {measured.figure} of {called} with lr={best['lr']:.4g}: {figures}",
    ]


def spread(optimizer: Mapping[str, Any], rates: int) -> list[dict[str, Any]]:
    """Return an optimizer with learning rates over the range that its class declares."""
    field = find("optimizer", optimizer["name"]).cls.fields["lr"]
    return [{**optimizer, "lr": field.at(place / (rates - 1))} for place in range(rates)]


def measure(config: RunConfig, optimizers: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[Measured]:
    """Return the figures of each setting of one optimizer; all runs train together."""
    base = {**config.as_data(), **shortened(config)}
    configs = [remade({**base, "seed": seed, "optimizer": dict(each)}) for each in optimizers for seed in seeds]
    outcomes = train(configs, [Run(f"{place}", "", one.as_data()) for place, one in enumerate(configs)])
    figure = ranking_figure(outcomes[0].history[0], "val/")
    greater = config.directions.get(figure.removeprefix("val/"), False)
    measured = []
    for place, each in enumerate(optimizers):
        some = outcomes[place * len(seeds) : (place + 1) * len(seeds)]
        values = [math.nan if outcome.diverged else outcome.history[-1][figure] for outcome in some]
        losses = [outcome.history[-1]["val/loss"] for outcome in some]
        measured.append(Measured(each, figure, greater, values, losses))
    return measured


def shortened(config: RunConfig) -> dict[str, int]:
    """Return the budget of three quarters of a problem's, rounded up."""
    settings = config.settings
    if settings.steps is not None:
        return {"steps": math.ceil(SHARE * settings.steps)}
    if settings.epochs is None:
        raise InputError("its budget is a time: a target needs epochs or steps")
    return {"epochs": math.ceil(SHARE * settings.epochs)}


def rounded(value: float, lowest: float, *, greater: bool) -> float:
    """Return a value rounded towards the worse side, so that three digits of its distance from ``lowest`` remain."""
    if value == lowest:
        return value
    places = DIGITS - 1 - math.floor(math.log10(abs(value - lowest)))
    steps = value * 10.0**places
    return round((math.floor(steps) if greater else math.ceil(steps)) / 10.0**places, max(places, 0))


if __name__ == "__main__":
    main()
