"""Runs averaged over their seeds: means, deviations, order, ties, and what happens to runs that were lost."""

from __future__ import annotations

import math
import statistics

import pytest

from framework.sweeps.by_setting import best_of_each, by_setting, records, tied_with_first

ACCURACY = "kept/val/accuracy"


def runs(setting, *accuracies, ended="budget", **more):
    """Return one run per accuracy, seeds from 0; the loss is one minus the accuracy."""
    optimizer = setting.split()[0]
    return [
        {
            "setting": setting,
            "problem": "p",
            "optimizer": optimizer,
            "lr": 0.1,
            "seed": seed,
            "ended": ended,
            "steps": 10 + seed,
            ACCURACY: value,
            "kept/val/loss": 1 - value,
            "test/accuracy": value - 0.1,
            **more,
        }
        for seed, value in enumerate(accuracies)
    ]


def failed(setting, seed):
    return {"setting": setting, "problem": "p", "optimizer": "x", "lr": 0.1, "seed": seed, "ended": "failed"}


def table(*groups, figure=ACCURACY, greater=True):
    return by_setting([run for group in groups for run in group], figure, greater=greater)


def names(settings):
    return [setting.name for setting in settings]


def test_a_row_has_mean_and_deviation_over_the_seeds():
    values = (0.90, 0.94, 0.95)
    (row,) = table(runs("adam", *values))
    spread = row.spread(ACCURACY)
    assert math.isclose(spread.mean, statistics.mean(values), rel_tol=1e-14)
    assert math.isclose(spread.deviation, statistics.stdev(values), rel_tol=1e-12)
    assert math.isclose(row.spread("test/accuracy").mean, statistics.mean(values) - 0.1, rel_tol=1e-12)
    assert (row.seeds, row.steps, row.optimizer, row.complete) == (3, 11.0, "adam", True)


def test_the_luckiest_seed_does_not_win():
    assert names(table(runs("lucky", 0.99, 0.5, 0.5), runs("steady", 0.9, 0.9, 0.9))) == ["steady", "lucky"]
    losses = table(runs("a", 0.2, 0.4), runs("b", 0.6, 0.4), figure="kept/val/loss", greater=False)
    assert names(losses) == ["b", "a"]


def test_equal_means_are_ordered_by_loss():
    worse, better = runs("worse", 0.5, 0.7), runs("better", 0.6, 0.6)
    for run in better:
        run["kept/val/loss"] = 0.1
    assert names(table(worse, better)) == ["better", "worse"]


def test_equal_runs_count_once():
    (row,) = table(runs("adam", 0.8, 0.9), runs("adam", 0.8, 0.9))
    assert row.seeds == row.spread(ACCURACY).count == 2


def test_equal_optimizers_are_one_row():
    same, other = runs("sgd lr=1", 0.8, 0.9), runs("iterative lr=1", 0.8, 0.9)
    near = runs("momentum lr=1", 0.8, 0.9)
    near[1]["kept/val/loss"] += 1e-16
    settings = table(other, same, near)
    assert [(setting.name, setting.equal) for setting in settings] == [
        ("iterative lr=1", ("sgd lr=1",)),
        ("momentum lr=1", ()),
    ]
    lost = [runs(name, math.nan, ended="diverged") for name in ("sgd lr=9", "adam lr=9")]
    assert len(table(*lost)) == 2  # of these nothing is known


def test_equal_figures_have_no_deviation():
    (row,) = table(runs("adam", *[0.9722222222222222] * 5))
    assert (row.spread(ACCURACY).mean, row.spread(ACCURACY).deviation) == (0.9722222222222222, 0.0)


def test_one_problem_is_not_averaged_with_another():
    assert len(table(runs("adam", 0.8), runs("adam", 0.9, problem="q"))) == 2


def test_one_seed_has_no_deviation_and_no_ties():
    settings = table(runs("adam", 0.9), runs("sgd", 0.9))
    assert settings[0].spread(ACCURACY).deviation is None
    assert names(tied_with_first(settings, ACCURACY)) == ["adam"]


def test_lost_runs_are_counted_and_put_their_setting_below_complete_ones():
    nan = float("nan")
    diverged = [*runs("diverged", 0.99, 0.99), *runs("diverged", nan, nan, nan, ended="diverged")[2:]]
    broken = [*runs("broken", 0.98, 0.98), failed("broken", 2), failed("broken", 3)]
    gone = runs("gone", nan, nan, ended="diverged")
    never = [failed("never", 0)]
    settings = table(gone, never, broken, diverged, runs("poor", 0.1, 0.1))
    assert names(settings) == ["poor", "diverged", "broken", "gone", "never"]
    lost = {setting.name: (setting.seeds, setting.diverged, setting.failed) for setting in settings}
    assert lost == {
        "poor": (2, 0, 0),
        "diverged": (3, 1, 0),
        "broken": (4, 0, 2),
        "gone": (2, 2, 0),
        "never": (1, 0, 1),
    }
    by_name = dict(zip(names(settings), settings, strict=True))
    assert by_name["diverged"].spread(ACCURACY).count == 2
    assert math.isnan(by_name["never"].spread(ACCURACY).mean)
    assert math.isnan(by_name["never"].steps)


def test_a_run_without_the_figure_is_no_zero():
    both = runs("adam", 0.9, 0.7)
    del both[1][ACCURACY]
    (row,) = table(both)
    assert (row.spread(ACCURACY).mean, row.spread(ACCURACY).count) == (0.9, 1)
    assert math.isnan(row.spread("kept/val/missing").mean)


def test_the_best_setting_of_each_optimizer():
    settings = table(runs("adam lr=1", 0.7), runs("sgd lr=1", 0.8), runs("adam lr=2", 0.9), runs("sgd lr=2", 0.6))
    assert names(best_of_each(settings)) == ["adam lr=2", "sgd lr=1"]


@pytest.mark.parametrize(("mean", "tied"), [(0.895, True), (0.885, True), (0.87, False)], ids=["near", "edge", "far"])
def test_ties_are_within_one_standard_error_of_the_difference(mean, tied):
    # Deviations of .02 over four seeds: the error of the difference is sqrt(2 x .0004 / 4) = .0141 (x sqrt(4/3)).
    first = runs("adam", 0.88, 0.92, 0.88, 0.92)
    other = runs("sgd", mean - 0.02, mean + 0.02, mean - 0.02, mean + 0.02)
    assert names(tied_with_first(table(first, other), ACCURACY)) == ["adam", *(["sgd"] if tied else [])]


def test_a_setting_that_lost_runs_is_no_tie():
    settings = table(runs("adam", 0.9, 0.91), [*runs("sgd", 0.9, 0.91), failed("sgd", 2)])
    assert names(tied_with_first(settings, ACCURACY)) == ["adam"]


def test_records_are_flat_and_complete():
    rows = records(table(runs("adam", 0.9, 0.8), [failed("x", 0)]))
    assert rows[0]["setting"] == "adam"
    assert math.isclose(rows[0][ACCURACY], 0.85)
    assert math.isclose(rows[0][f"{ACCURACY} std"], statistics.stdev([0.9, 0.8]))
    assert (rows[0]["seeds"], rows[0]["steps"]) == (2, 10.5)
    assert (rows[1]["failed"], ACCURACY in rows[1]) == (1, False)
