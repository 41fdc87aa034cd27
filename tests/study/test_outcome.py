"""From runs to a comparison: counted figures, pairing, ranks, and the sentence that answers."""

import math
from pathlib import Path

import numpy as np
import pandas
import pytest

import framework
from framework import InputError
from framework.study.comparison import Problem
from framework.study.of_frame import comparison_of_frame
from framework.study.outcome import Supplement, comparison_of
from framework.study.scoring import LARGEST, Scale
from framework.study.text import comparison_text, difference_text, reach_text

ACCURACY = Problem("digits", "test/accuracy", "val/accuracy", greater=True, worst="0", target=0.9, budget="30 epochs")
LOSS = Problem("valley", "test/loss", "val/loss", greater=False, worst="the untrained model's")


def runs_of(problem, figures, first=0):
    """A table of runs: entrant and its figures, one for each seed; None is a run that diverged."""
    rows = []
    for entrant, values in figures.items():
        for seed, value in enumerate(values, start=first):
            rows.append(
                {
                    "problem": problem.name,
                    "entrant": entrant,
                    "seed": seed,
                    "ended": "budget" if value is not None else "diverged",
                    "value": math.nan if value is None else value,
                    "counted": 0.0 if value is None else value,
                    "steps": 100,
                    "evaluations": 200,
                    "steps_to_target": math.inf if value is None else 50.0 + seed,
                    "seconds": 0.1,
                    "folder": "",
                }
            )
    return pandas.DataFrame(rows)


def compare(*tables, problems, **more):
    entrants = list(dict.fromkeys(name for table in tables for name in table["entrant"]))
    return comparison_of(pandas.concat(tables), problems, entrants, Supplement(**more))


@pytest.mark.parametrize(
    ("worst", "greater", "value", "lost", "counted"),
    [
        (0.0, True, 0.7, False, 0.7),
        (0.0, True, 0.7, True, 0.0),
        (0.0, True, math.nan, False, 0.0),
        (None, False, 1.5, False, 1.5),
        (None, False, 9.0, False, 2.0),
        (None, False, math.inf, False, 2.0),
        (None, False, 1.5, True, 2.0),
        (None, True, -3.0, False, 2.0),
    ],
    ids=["kept", "diverged", "nan", "loss", "capped", "infinite", "lost", "capped_below"],
)
def test_counted_figures(worst, greater, value, lost, counted):
    assert Scale("x", greater, worst).counted(value, lost, untrained=2.0) == counted


@pytest.mark.parametrize(("greater", "sign"), [(False, 1), (True, -1)], ids=["loss", "score"])
def test_an_untrained_figure_that_overflows_is_the_largest_number(greater, sign):
    """A diverged run does not become the best one, and means stay finite."""
    scale = Scale("x", greater)
    for untrained in (math.inf, -math.inf, math.nan):
        assert scale.counted(1.0, True, untrained) == sign * LARGEST
        assert scale.counted(5.0, False, untrained) == 5.0
    assert np.isfinite(np.mean([LARGEST] * 500))


def test_one_clear_winner():
    better = [0.95, 0.96, 0.97, 0.96, 0.95, 0.96, 0.97]
    found = compare(runs_of(ACCURACY, {"a": [v - 0.1 for v in better], "b": better}), problems=[ACCURACY])
    first, second = found.standings
    assert [(s.entrant, s.rank) for s in found.standings] == [("b", 1), ("a", 2)]
    assert second.p == 2 / 2**7  # all seven differences have one sign, and there is one pair
    assert second.difference == pytest.approx(-0.1)
    assert (first.p, first.difference, first.evaluations) == (1.0, 0.0, 200)
    assert found.groups["digits"] == (("b",), ("a",))
    assert found.verdict == (
        "On digits, b is best: test/accuracy 0.9600 ± 0.0082 over 7 seeds, distinguishably better than a."
    )


def test_equal_entrants_are_not_distinguishable():
    values = [0.95, 0.96, 0.97, 0.96, 0.95, 0.96, 0.97]
    found = compare(runs_of(ACCURACY, {"adam": values, "my_adam": values}), problems=[ACCURACY])
    assert [standing.rank for standing in found.standings] == [1, 1]
    assert "adam has the best mean" in found.verdict
    assert "is not distinguishable from my_adam" in found.verdict
    assert difference_text(found.standings[1], found) == "+0, not distinguishable"


def test_losses_are_better_when_smaller():
    found = compare(runs_of(LOSS, {"a": [2.0] * 7, "b": [1.0, 1.1, 1.2, 1.0, 1.1, 1.2, 1.0]}), problems=[LOSS])
    assert found.standings[0].entrant == "b"
    assert found.standings[1].difference > 0
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("a", "b")
    assert pair.difference == pytest.approx(2.0 - 7.6 / 7)


def test_runs_that_both_diverged_differ_by_nothing():
    found = compare(runs_of(ACCURACY, {"a": [None] * 7, "b": [None] * 7}), problems=[ACCURACY])
    assert [pair.difference for pair in found.pairs] == [0.0]
    assert [(s.rank, s.diverged, s.summary.mean) for s in found.standings] == [(1, 7, 0.0), (1, 7, 0.0)]


def test_too_few_seeds_are_named():
    found = compare(runs_of(ACCURACY, {"a": [0.1, 0.2], "b": [0.8, 0.9]}), problems=[ACCURACY])
    assert found.seeds_needed == 6
    assert "too few seeds to tell: 2, and 6 are needed" in found.verdict


def test_only_shared_seeds_are_paired():
    """Entrant b lacks the first two seeds of a, and a the last two of b."""
    a, b = runs_of(ACCURACY, {"a": [0.9] * 8}), runs_of(ACCURACY, {"b": [0.5] * 8}, first=2)
    found = compare(a, b, problems=[ACCURACY])
    assert found.pairs[0].p == 2 / 2**6
    assert found.standings[1].summary.seeds == 8


def test_no_shared_seed_tells_nothing():
    a, b = runs_of(ACCURACY, {"a": [0.9] * 8}), runs_of(ACCURACY, {"b": [0.5] * 8}, first=100)
    found = compare(a, b, problems=[ACCURACY])
    assert found.pairs == ()
    assert [standing.rank for standing in found.standings] == [1, 1]
    assert "share no seed" in found.verdict


def test_several_problems_are_counted():
    good, bad = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.9], [0.5] * 8
    tables = [
        runs_of(ACCURACY, {"a": good, "b": bad, "c": good}),
        runs_of(LOSS, {"a": [0.1 * v for v in good], "b": bad, "c": bad}),
    ]
    found = compare(*tables, problems=[ACCURACY, LOSS])
    assert found.verdict == "a is not distinguishably worse than any other on 2 of 2 problems; c on 1, b on 0."


def test_problems_without_chance_are_named():
    """On digits, every seed gives an entrant the same figure; on valley, one seed of one entrant differs."""
    tables = [
        runs_of(ACCURACY, {"a": [0.9] * 8, "b": [0.5] * 8}),
        runs_of(LOSS, {"a": [0.1] * 8, "b": [0.5] * 7 + [0.4]}),
    ]
    found = compare(*tables, problems=[ACCURACY, LOSS])
    assert found.protocol == (
        "On digits, every seed gave the same figure for every entrant: its p-values do not measure chance.",
    )
    alone = compare(runs_of(ACCURACY, {"a": [0.9], "b": [0.5]}), problems=[ACCURACY])
    assert alone.protocol == ()  # one seed has no other to be equal to


def test_steps_to_target_with_misses():
    found = compare(runs_of(ACCURACY, {"a": [0.9, 0.9, None, 0.9], "b": [None] * 4}), problems=[ACCURACY])
    reached = {standing.entrant: standing.steps_to_target for standing in found.standings}
    assert (reached["a"].median, reached["a"].reached) == (51.0, 3)  # of 50, 51, 53 and a miss, the lower middle one
    assert reached["a"].high == math.inf
    assert reach_text(reached["b"]) == "never"


def test_the_text_names_what_was_lost():
    found = compare(runs_of(ACCURACY, {"a": [0.9] * 3 + [None], "b": [0.8] * 4}), problems=[ACCURACY])
    text = comparison_text(found)
    assert "(1 diverged)" in text
    assert text.endswith(f"{found.verdict}\n")


def test_every_summary_is_finite():
    found = compare(runs_of(ACCURACY, {"a": [None, 0.5], "b": [0.5, None]}), problems=[ACCURACY])
    for standing in found.standings:
        assert np.isfinite([standing.summary.mean, standing.summary.low, standing.summary.high]).all()


def test_shared_seeds_order_and_rank():
    """Entrant a has the better mean because of seeds that b lacks; on the shared ones b is distinguishably better."""
    a = runs_of(ACCURACY, {"a": [0.5] * 8 + [0.9] * 8})
    found = compare(a, runs_of(ACCURACY, {"b": [0.6] * 8}), problems=[ACCURACY])
    assert [(s.entrant, s.rank, s.summary.seeds) for s in found.standings] == [("b", 1, 8), ("a", 2, 16)]
    assert found.standings[1].difference == pytest.approx(-0.1)
    assert found.standings[1].notes == ("of its 16 seeds, rank and difference count the 8 that all entrants have",)
    assert "b is best" in found.verdict


def frame_of(**columns):
    """A user's frame: two entrants with six seeds each, b better by 0.1."""
    rows = [
        {"entrant": who, "seed": seed, "test/accuracy": 0.5 + better}
        for who, better in (("a", 0), ("b", 0.1))
        for seed in range(6)
    ]
    return pandas.DataFrame(rows).assign(**columns)


def test_a_frame_of_runs():
    frame = frame_of(ended=["failed", "diverged"] + ["budget"] * 10)
    frame.loc[0, "test/accuracy"] = math.nan
    frame.loc[2, "test/accuracy"] = 0.2
    found = comparison_of_frame(pandas.concat([frame, frame]), None, None)
    assert found.runs["counted"].tolist() == [0.2, 0.2, 0.2, 0.5, 0.5, 0.5] + [0.6] * 6
    assert [(s.entrant, s.summary.seeds, s.diverged, s.failed) for s in found.standings] == [
        ("b", 6, 0, 0),
        ("a", 6, 1, 1),
    ]
    assert comparison_of_frame(frame.convert_dtypes(), None, None).verdict == found.verdict


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (frame_of()[:0], "no rows"),
        (frame_of().drop(columns="seed"), "needs a column seed"),
        (frame_of(seed=[None, *range(11)]), "row 0 has no seed"),
        (frame_of(entrant=["a", None] * 6), "row 1 has no entrant"),
        (frame_of(problem=None), "row 0 has no problem"),
        (frame_of(steps="many"), "the column steps does not hold numbers"),
        (frame_of(entrant="a"), "a on all runs has two figures for the seed 0"),
        (frame_of().set_axis(["entrant", "seed", "seed"], axis=1), "two columns seed"),
        (frame_of().set_axis(["entrant", "seed", 5], axis=1), "no column begins with test/"),
        (frame_of(ended="diverged"), "no run on all runs ended well"),
    ],
    ids=["empty", "column", "seed", "entrant", "problem", "steps", "twice", "columns", "numbered", "diverged"],
)
def test_frames_that_cannot_be_compared(frame, message):
    with pytest.raises(InputError, match=message):
        comparison_of_frame(frame, None, None)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no folder in which none can be made")
def test_a_folder_that_cannot_be_made():
    with pytest.raises(InputError, match="report: folder=/proc/none: this folder cannot be created"):
        framework.report(frame_of(), "/proc/none")
