"""The course of a study: tune each entrant with equal budgets, then train the chosen settings with other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from framework.config.resolved import RunConfig
from framework.study.comparison import Place
from framework.study.contest import REPORTING, TUNING, Contest, Request, Train, tuning_seeds
from framework.study.judge import Judge, Ran
from framework.study.search import Search
from framework.study.settings import Study
from framework.sweeps.blocks import Ended


@dataclass(frozen=True)
class Studied:
    """The runs of a study.

    Attributes:
        contests: every entrant on every problem.
        searches: the tuning of those that were tuned, by problem and entrant.
        runs: the reporting runs.
        judge: counts their figures.
    """

    contests: tuple[Contest, ...]
    searches: Mapping[Place, Search]
    runs: tuple[Ran, ...]
    judge: Judge


def study(contests: Sequence[Contest], settings: Study, seeds: Sequence[int], train: Train) -> Studied:
    """Run a study.

    Args:
        contests: every entrant on every problem.
        settings: the study's settings.
        seeds: the reporting seeds.
        train: trains runs, or takes their results where they exist.
    """
    judge = Judge(configs_of(contests))
    searches = tuned(contests, settings, judge, train)
    requests = reporting(contests, {place: search.best.values for place, search in searches.items()}, seeds)
    return Studied(tuple(contests), searches, tuple(map(_ran, requests, train(REPORTING, requests))), judge)


def configs_of(contests: Sequence[Contest]) -> dict[str, list[RunConfig]]:
    """Return the configurations of each problem's contests, in the problems' order."""
    found: dict[str, list[RunConfig]] = {}
    for contest in contests:
        found.setdefault(contest.problem, []).append(contest.config)
    return found


def _ran(request: Request, end: Ended) -> Ran:
    config = request.contest.config.with_seed(request.seed).with_fields(request.values)
    return Ran(*request.contest.place, config, end)


def tuned(contests: Sequence[Contest], settings: Study, judge: Judge, train: Train) -> dict[Place, Search]:
    """Tune all contests that have axes, all of them in step, and return their searches."""
    open_to_tuning = [contest for contest in contests if contest.axes]
    searches = {
        contest.place: Search(contest.axes, settings, greater=judge.scale(contest.problem).greater)
        for contest in open_to_tuning
    }
    seeds = tuning_seeds(settings)
    while True:
        asked = {contest.place: searches[contest.place].ask() for contest in open_to_tuning}
        batches = [
            [Request(contest, seed, trial.values) for seed in seeds]
            for contest in open_to_tuning
            for trial in asked[contest.place]
        ]
        if not batches:
            return searches
        ends = iter(train(TUNING, [request for batch in batches for request in batch]))
        results = iter([[_ran(request, next(ends)) for request in batch] for batch in batches])
        for place, trials in asked.items():
            if trials:
                searches[place].tell([judge.judged(trial, next(results)) for trial in trials])


def reporting(
    contests: Sequence[Contest], chosen: Mapping[Place, Mapping[str, float]], seeds: Sequence[int]
) -> list[Request]:
    """Return the reporting runs: each contest with its chosen values and every seed."""
    return [Request(contest, seed, chosen.get(contest.place, {})) for contest in contests for seed in seeds]


def first_trials(contests: Sequence[Contest], settings: Study) -> list[Request]:
    """Return the tuning runs of the first batch, for a plan."""
    return [
        Request(contest, seed, trial.values)
        for contest in contests
        if contest.axes
        for trial in Search(contest.axes, settings, greater=True).ask()
        for seed in tuning_seeds(settings)
    ]
