"""The result of a comparison as data: what the terminal table, the report and the Python API show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from framework.study.statistics import Pair, Summary


Place = tuple[str, str]
"""Names of a problem and of an entrant."""


@dataclass(frozen=True)
class Problem:
    """A problem on which entrants are compared.

    Attributes:
        name: its name.
        figure: the figure that is compared, such as ``"test/accuracy"``.
        validation: the figure by which settings were chosen, such as ``"val/accuracy"``.
        greater: whether greater figures are better.
        worst: what a diverged or failed run counts as, in words: ``"0"``, or ``"the untrained model's"``.
        target: the validation figure whose first reach is counted in steps, or None.
        target_source: where the target comes from, or "".
        budget: batch size and budget in words.
        source: where the problem comes from, or "".
        units: the known units of figures in words, by metric, such as ``{"loss": "nats"}``.
    """

    name: str
    figure: str
    validation: str
    greater: bool
    worst: str = ""
    target: float | None = None
    target_source: str = ""
    budget: str = ""
    source: str = ""
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reach:
    """Steps, or seconds, until a target was first reached.

    Attributes:
        median, low, high: the median over the seeds and the bounds of its bootstrap interval of 95 %; infinite for
            misses.
        reached: the number of seeds that reached the target.
    """

    median: float
    low: float
    high: float
    reached: int


@dataclass(frozen=True)
class Standing:
    """One entrant on one problem.

    Attributes:
        problem, entrant: names.
        rank: 1 plus the number of entrants that are distinguishably better.
        setting: the chosen values of the tuned fields by name; empty if nothing was tuned.
        summary: of the problem's figure over the seeds, in the figure's own direction; diverged and failed runs count
            with the problem's worst value.
        difference: mean difference to the best entrant's figure, 0 for the best itself.
        p: the adjusted p-value of that difference, 1 for the best itself.
        diverged, failed: numbers of such runs.
        steps: mean number of optimizer steps.
        evaluations: mean number of gradient evaluations.
        steps_to_target: or None if the problem has no target.
        step_seconds: time of one step of this structure, timed alone; NaN if it was not timed.
        notes: remarks, such as a chosen value at the edge of its range.
    """

    problem: str
    entrant: str
    rank: int
    setting: Mapping[str, float]
    summary: Summary
    difference: float
    p: float
    diverged: int = 0
    failed: int = 0
    steps: float = 0.0
    evaluations: float = 0.0
    steps_to_target: Reach | None = None
    step_seconds: float = float("nan")
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The result of a study, of a sweep, or of a user's own runs.

    Attributes:
        title: what is compared, in a few words.
        verdict: the answer in a sentence.
        problems: in the order of the command.
        entrants: names of what is compared: optimizers, with the other settings that differ; in the command's order.
        standings: by problem, best mean first.
        pairs: all pairs of entrants on all problems, in the figures' own direction.
        groups: by problem, the groups of entrants that are not distinguishable, as in `statistics.groups`.
        runs: one row per reporting run: ``problem``, ``entrant``, ``seed``, ``ended``, ``value`` (the figure as
            recorded, NaN if there is none), ``counted`` (the figure that enters the statistics), ``steps``,
            ``evaluations``, ``steps_to_target`` (infinite for a miss, NaN without a target), ``seconds``, ``folder``.
        trials: one row per trial of the tuning: ``problem``, ``entrant``, ``trial``, ``round`` (0, and one more per
            extension of a range), the tuned fields by name (NaN for those of others), ``figure`` (the counted
            validation figure, mean over the tuning seeds), ``loss``, ``diverged`` (number of runs), ``chosen``; empty
            without tuning.
        curves: one row per run and epoch: ``problem``, ``entrant``, ``seed``, ``epoch``, ``step``, ``seconds`` (step
            times the separately timed step), and figures such as ``val/loss``, NaN for those of other problems.
        paths: one row per point of two-dimensional problems: ``problem``, ``entrant``, ``step``, ``x``, ``y``,
            ``loss``; the run of the first reporting seed.
        contours: one row per grid point of two-dimensional problems: ``problem``, ``x``, ``y``, ``loss``; and
            ``minimum`` True for the known minima, which are appended to the grid.
        protocol: the rules by which the comparison was made, one sentence each.
        about: machine, versions, settings, and the command that repeats the comparison; text by name, in order.
        tuned: whether the entrants' fields were tuned.
        seeds_needed: the number of seeds from which differences can be told, as in `statistics.seeds_to_tell`.
    """

    title: str
    verdict: str
    problems: tuple[Problem, ...]
    entrants: tuple[str, ...]
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    groups: Mapping[str, tuple[tuple[str, ...], ...]]
    runs: pandas.DataFrame
    trials: pandas.DataFrame
    curves: pandas.DataFrame
    paths: pandas.DataFrame
    contours: pandas.DataFrame
    protocol: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    tuned: bool = False
    seeds_needed: int = 0
