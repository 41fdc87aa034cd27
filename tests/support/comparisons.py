"""Comparisons with invented figures, for tests of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas

from framework.study.comparison import Comparison, Problem, Reach, Standing
from framework.study.statistics import LEVEL, Pair, Summary, compared, groups, ranks, seeds_to_tell

NAMES = ("adam", "sgd", "lion", "adamw", "rmsprop", "momentum", "adagrad", "adadelta", "nadam", "radam")


def comparison(
    entrants: Sequence[str] = NAMES[:4],
    problems: int = 2,
    seeds: int = 12,
    trials: int = 16,
    epochs: int = 20,
    valley: bool = True,
) -> Comparison:
    """Return a comparison with trials, curves, a loss and accuracies, misses, diverged runs and a 2-D problem.

    The first problem has an accuracy, the others in turn a loss and an accuracy; the last is the 2-D problem.
    """
    rng = np.random.default_rng(5)
    named = tuple(_problem(number, valley and number == problems - 1) for number in range(problems))
    counted, frames = {}, {"runs": list[dict[str, Any]](), "trials": list[Any](), "curves": list[Any]()}
    for problem in named:
        counted[problem.name] = _fill(frames, problem, entrants, seeds, trials, epochs, rng)
    pairs = _pairs(named, counted)
    standings, alike = [], {}
    for problem in named:
        found, alike[problem.name] = _standings(problem, counted[problem.name], pairs, frames)
        standings += found
    last = named[-1].name
    return Comparison(
        title=f"{len(entrants)} optimizers on {problems} problems",
        verdict=f"{standings[0].entrant} is best on {named[0].name}; it is not distinguishable from "
        f"{standings[-1].entrant} on {last}.",
        problems=named,
        entrants=tuple(entrants),
        standings=tuple(standings),
        pairs=tuple(pairs),
        groups=alike,
        runs=pandas.DataFrame(frames["runs"]),
        trials=pandas.concat(frames["trials"], ignore_index=True) if frames["trials"] else pandas.DataFrame(),
        curves=pandas.concat(frames["curves"], ignore_index=True),
        paths=_paths(entrants, last) if valley else pandas.DataFrame(),
        contours=_contours(last) if valley else pandas.DataFrame(),
        protocol=("Each optimizer got the same number of trials.", "Reporting seeds are disjoint from tuning seeds."),
        about={
            "machine": "2 cores, 8 GB, Linux",
            "versions": "Python 3.11, NumPy 2.3",
            "command": "python -m framework compare optimizer=adam,sgd,lion,adamw problem=digits_mlp,rosenbrock",
        },
        tuned=trials > 0,
        seeds_needed=seeds_to_tell(len(entrants), problems),
    )


def plain_sweep() -> Comparison:
    """Return the comparison of a sweep: one seed, nothing tuned, no targets, curves or paths."""
    made = comparison(NAMES[:2], problems=1, seeds=1, trials=0, valley=False)
    return replace(
        made,
        problems=tuple(replace(problem, target=None) for problem in made.problems),
        standings=tuple(replace(each, steps_to_target=None) for each in made.standings),
        curves=made.curves.iloc[:0],
        groups={},
        pairs=(),
    )


def _problem(number: int, valley: bool) -> Problem:
    if valley:
        return Problem("rosenbrock", "test/loss", "val/loss", False, "the untrained model's loss", budget="1,000 steps")
    loss = bool(number % 2)
    return Problem(
        name=f"problem_{number}",
        figure="test/loss" if loss else "test/accuracy",
        validation="val/loss" if loss else "val/accuracy",
        greater=not loss,
        worst="the untrained model's loss" if loss else "0",
        target=0.5 if loss else 0.8,
        target_source="peers.md",
        budget="batches of 32, 30 epochs",
        source="scikit-learn",
        units={} if loss else {"accuracy": "share of samples"},
    )


def _fill(
    frames: dict[str, list[Any]],
    problem: Problem,
    entrants: Sequence[str],
    seeds: int,
    trials: int,
    epochs: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Add an entrant's runs, trials and curves on one problem; return the counted figures by entrant."""
    counted = {}
    shared = rng.normal(0, 0.01, seeds)
    for place, entrant in enumerate(entrants):
        level = 0.95 - 0.012 * (place // 2) if problem.greater else 0.2 + 0.05 * (place // 2)
        values = np.abs(level + shared + rng.normal(0, 0.004, seeds))
        lost = place == len(entrants) - 1 and seeds > 2
        if lost:
            values[1] = 0.0 if problem.greater else 2.3
        counted[entrant] = values
        steps = np.where(rng.random(seeds) < 0.06 * place, math.inf, 60.0 + 25 * place + 5 * rng.integers(0, 9, seeds))
        for seed in range(seeds):
            gone = lost and seed == 1
            frames["runs"].append(
                {
                    "problem": problem.name,
                    "entrant": entrant,
                    "seed": 100 + seed,
                    "ended": "diverged" if gone else "budget",
                    "value": math.nan if gone else values[seed],
                    "counted": values[seed],
                    "steps": 40 * epochs,
                    "evaluations": 40 * epochs,
                    "steps_to_target": math.nan if problem.target is None else math.inf if gone else steps[seed],
                    "seconds": 0.2,
                    "folder": f"multirun/a/{len(frames['runs'])}",
                }
            )
        if trials:
            frames["trials"].append(_trials(problem, entrant, place, trials, level, rng))
        frames["curves"].append(_curves(problem, entrant, place, values, epochs, lost))
    return counted


def _trials(
    problem: Problem, entrant: str, place: int, trials: int, level: float, rng: np.random.Generator
) -> pandas.DataFrame:
    lr, beta = 10 ** rng.uniform(-4, 0, trials), 1 - 10 ** rng.uniform(-3, -0.3, trials)
    distance = (np.log10(lr) + 1.5 + 0.4 * place) ** 2 / 4
    figure = level - 0.3 * distance if problem.greater else level + 0.5 * distance
    best = figure.argmax() if problem.greater else figure.argmin()
    return pandas.DataFrame(
        {
            "problem": problem.name,
            "entrant": entrant,
            "trial": np.arange(trials),
            "round": 0,
            "lr": lr,
            "beta1": beta if place % 2 == 0 else math.nan,
            "figure": np.clip(figure, 0, None),
            "loss": 1 - level + distance,
            "diverged": (distance > 2).astype(int),
            "chosen": np.arange(trials) == best,
        }
    )


def _curves(
    problem: Problem, entrant: str, place: int, values: np.ndarray, epochs: int, lost: bool
) -> pandas.DataFrame:
    seeds = len(values)
    seed, epoch = np.repeat(np.arange(seeds), epochs), np.tile(np.arange(1, epochs + 1), seeds)
    rest = np.exp(-epoch / (2 + place))
    end = np.repeat(np.where(values > 1, 0.4, values), epochs)
    frame = pandas.DataFrame(
        {
            "problem": problem.name,
            "entrant": entrant,
            "seed": 100 + seed,
            "epoch": epoch,
            "step": 40 * epoch,
            "seconds": 40 * epoch * 5e-5 * (1 + place / 3),
            "val/loss": (0.3 if problem.greater else end) + 2 * rest,
            "train/loss": (0.2 if problem.greater else 0.9 * end) + 2 * rest,
            "val/accuracy": end * (1 - rest) if problem.greater else math.nan,
            "train/accuracy": (1 - rest) if problem.greater else math.nan,
        }
    )
    return frame[~((seed == 1) & (epoch > epochs // 2))] if lost else frame


def _pairs(problems: Sequence[Problem], counted: dict[str, dict[str, np.ndarray]]) -> list[Pair]:
    signs = {problem.name: 1 if problem.greater else -1 for problem in problems}
    scores = {name: {entrant: signs[name] * own for entrant, own in by.items()} for name, by in counted.items()}
    return [replace(pair, difference=signs[pair.problem] * pair.difference) for pair in compared(scores)]


def _standings(
    problem: Problem, counted: dict[str, np.ndarray], pairs: Sequence[Pair], frames: dict[str, list[Any]]
) -> tuple[list[Standing], tuple[tuple[str, ...], ...]]:
    order = sorted(counted, key=lambda name: counted[name].mean() * (-1 if problem.greater else 1))
    p = {frozenset((pair.first, pair.second)): pair.p for pair in pairs if pair.problem == problem.name}

    def distinguishable(a: str, b: str) -> bool:
        return p[frozenset((a, b))] <= LEVEL

    rank = ranks(order, distinguishable)
    tables = {(table["problem"].iloc[0], table["entrant"].iloc[0]): table for table in frames["trials"]}
    runs = [row for row in frames["runs"] if row["problem"] == problem.name]
    standings = []
    for name in order:
        own = [row for row in runs if row["entrant"] == name]
        lost = sum(row["ended"] == "diverged" for row in own)
        standings.append(
            Standing(
                problem=problem.name,
                entrant=name,
                rank=rank[name],
                setting=_setting(tables.get((problem.name, name))),
                summary=Summary.of(counted[name]),
                difference=float(counted[name].mean() - counted[order[0]].mean()),
                p=1.0 if name == order[0] else float(p[frozenset((name, order[0]))]),
                diverged=lost,
                steps=own[0]["steps"],
                evaluations=own[0]["evaluations"],
                steps_to_target=_reach([row["steps_to_target"] for row in own]) if problem.target else None,
                step_seconds=5e-5 * (1 + len(standings) / 3),
                notes=("lr is at the edge of its range",) if lost else (),
            )
        )
    return standings, tuple(groups(order, distinguishable))


def _setting(trials: pandas.DataFrame | None) -> dict[str, float]:
    if trials is None:
        return {}
    row = trials[trials["chosen"]].iloc[0]
    return {name: float(row[name]) for name in ("lr", "beta1") if not math.isnan(row[name])}


def _reach(steps: list[float]) -> Reach:
    ordered = sorted(steps)
    at = [ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.1, 0.9)]
    return Reach(*at, reached=sum(math.isfinite(each) for each in steps))


def rosenbrock(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Rosenbrock's function."""
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _contours(problem: str) -> pandas.DataFrame:
    x, y = np.meshgrid(np.linspace(-2, 2, 40), np.linspace(-1, 3, 30))
    grid = {"problem": problem, "x": x.ravel(), "y": y.ravel(), "loss": rosenbrock(x, y).ravel(), "minimum": False}
    minimum = {"problem": problem, "x": [1.0], "y": [1.0], "loss": [0.0], "minimum": True}
    return pandas.concat([pandas.DataFrame(grid), pandas.DataFrame(minimum)], ignore_index=True)


def _paths(entrants: Sequence[str], problem: str, steps: int = 200) -> pandas.DataFrame:
    """Return paths along the valley's floor to the minimum, each entrant at its own pace."""
    tables = []
    for place, entrant in enumerate(entrants):
        done = 1 - np.exp(-np.arange(steps + 1) / (40 * (1 + place)))
        x = -1.5 + 2.5 * done
        y = x**2 + (0.75 - 0.1 * place) * np.exp(-np.arange(steps + 1) / 15) * np.cos(np.arange(steps + 1) / 4)
        loss = rosenbrock(x, y)
        tables.append(
            {"problem": problem, "entrant": entrant, "step": np.arange(steps + 1), "x": x, "y": y, "loss": loss}
        )
    return pandas.concat([pandas.DataFrame(table) for table in tables], ignore_index=True)
