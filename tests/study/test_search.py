"""Tuners and searches: which points they try, which trial wins, and how ranges are extended."""

import importlib.util
import math

import numpy as np
import pytest

from framework.base.fields import hyper
from framework.study.search import Search, Trial, scored
from framework.study.settings import Study
from framework.study.space import Axis
from framework.study.tuners import TUNERS, Grid, Sobol

LR = Axis("lr", hyper(1e-3, above=0, prior="log", search=(1e-3, 1e-1)))
needs_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs the extra tpe")


def points_of(tuner):
    """All points of a tuner, in batches, when the loss is the distance from .3 on each axis."""
    batches = []
    while len(points := tuner.ask()):
        batches.append(points)
        tuner.tell(np.abs(points - 0.3).sum(axis=1))
    return batches


def test_more_trials_extend_a_sobol_study():
    (few,), (many,) = points_of(Sobol(["lr", "beta1"], 5, 0)), points_of(Sobol(["lr", "beta1"], 25, 0))
    assert (few.shape, many.shape) == ((5, 2), (25, 2))
    np.testing.assert_array_equal(few, many[:5])


def test_sobol_points_fill_each_axis_evenly():
    """Of 16 points each axis has one in each sixteenth."""
    (points,) = points_of(Sobol(["lr", "beta1", "beta2"], 16, 3))
    for axis in (points * 16).astype(int).T:
        assert sorted(axis) == list(range(16))


def test_points_depend_on_seed_and_fields_only():
    same = [Sobol(["lr"], 8, 0).ask(), Sobol(("lr",), 8, 0).ask()]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], Sobol(["lr"], 8, 1).ask())
    assert not np.array_equal(same[0], Sobol(["momentum"], 8, 0).ask())


@pytest.mark.parametrize(
    ("fields", "trials", "counts"),
    [(1, 5, (5,)), (2, 25, (5, 5)), (2, 8, (4, 2)), (3, 25, (3, 2, 4)), (2, 1, (1, 1))],
    ids=["line", "square", "rest", "cube", "one"],
)
def test_grid(fields, trials, counts):
    (points,) = points_of(Grid([f"f{i}" for i in range(fields)], trials, 0))
    assert len(points) <= trials
    assert math.prod(len(set(axis)) for axis in points.T) == len(points)
    assert all({0.0, 1.0} <= set(axis) for axis in points.T if len(set(axis)) > 1)
    assert len(points) >= math.prod(counts)


@needs_optuna
def test_tpe_learns_and_repeats():
    first, second = points_of(TUNERS["tpe"](["lr"], 50, 0)), points_of(TUNERS["tpe"](["lr"], 50, 0))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))
    assert [len(batch) for batch in first] == [10] * 5
    distance = [float(np.abs(batch - 0.3).mean()) for batch in first]
    assert distance[-1] < distance[0] / 2


def searched(best, **settings):
    """A finished search over lr whose figure is best near ``best`` and counts orders of magnitude away from it."""
    search = Search([LR], Study(trials=8, **settings), greater=False)
    batches = []
    while trials := search.ask():
        batches.append([trial.values["lr"] for trial in trials])
        search.tell([scored(each, [abs(math.log10(each.values["lr"] / best))], [0.0], 0) for each in trials])
    return search, batches


def test_a_best_value_inside_ends_the_search():
    search, batches = searched(0.01)
    assert len(batches) == 1
    assert search.best.values["lr"] == pytest.approx(0.01, rel=0.5)
    assert search.notes == []


def test_a_best_value_at_the_edge_extends_the_range_once():
    search, batches = searched(0.2)
    assert len(batches) == 2
    assert (search.axes[0].low, search.axes[0].high) == (1e-3, 1.0)
    assert len(search.trials) == 16
    assert [trial.round for trial in search.trials] == [0] * 8 + [1] * 8
    assert search.notes == ["its range was extended once: 16 trials"]


def test_an_edge_that_stays_is_reported():
    search, batches = searched(1e6)
    assert len(batches) == 3
    assert search.axes[0].high == 10.0
    assert search.notes == [
        "its range was extended twice: 24 trials",
        "lr is at the upper end of its range, 10",
    ]


def test_no_extension_if_none_is_allowed():
    search, batches = searched(1e6, extensions=0)
    assert len(batches) == 1
    assert search.notes == ["lr is at the upper end of its range, 0.1"]


def test_lost_runs_do_not_extend_the_range():
    """All trials of a broken rule count the same: the first is best, and it may be at an edge."""
    search = Search([LR], Study(trials=8, tuner="grid"), greater=False)
    trials = search.ask()
    search.tell([scored(each, [9.0, 9.0], [math.nan, math.nan], 2) for each in trials])
    assert search.ask() == []
    assert search.notes == []


@pytest.mark.parametrize(
    ("greater", "figures"), [(True, [0.2, 0.9, 0.9]), (False, [0.1, 0.5, 0.1])], ids=["greater", "less"]
)
def test_ties_go_to_the_lower_loss(greater, figures):
    search = Search([LR], Study(trials=3), greater=greater)
    first, second, third = search.ask()
    losses = [0.4, 0.3, 0.1]
    search.tell([scored(t, [f], [v], 0) for t, f, v in zip([first, second, third], figures, losses, strict=True)])
    assert search.best is search.trials[2]


def test_a_trial_is_the_mean_over_its_seeds():
    trial = scored(Trial({"lr": 0.1}, 0), [0.5, 1.0], [2.0, math.nan], 1)
    assert (trial.figure, trial.loss, trial.diverged) == (0.75, math.inf, 1)
