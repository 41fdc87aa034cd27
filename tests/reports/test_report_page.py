"""The page's data: hand-computed figures, and texts that stay texts."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import pytest
from comparisons import NAMES, comparison, plain_sweep

from framework.reports.curves import continued, curves
from framework.reports.numbers import number, thinned
from framework.reports.page import facts, page, payload
from framework.reports.scores import mean_rank_diagram, profile, speed_ups
from framework.reports.standings import pairs, problems, relative, visible
from framework.reports.tuning import tuning
from framework.reports.valleys import MOST_POINTS, trajectories, valleys_of
from framework.study.comparison import Comparison, Problem, Reach
from framework.study.statistics import Pair

LIMIT = 6_000_000
ACCURACY = Problem("digits", "test/accuracy", "val/accuracy", greater=True, target=0.9)
LOSS = Problem("quadratic", "test/loss", "val/loss", greater=False, target=0.1)


def made(**changes: Any) -> Comparison:
    return replace(comparison(NAMES[:2], problems=1, seeds=3, trials=3, epochs=3, valley=False), **changes)


def unpacked(text: str, name: str) -> str:
    """Return an embedded text of a page."""
    (found,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', text)
    return zlib.decompress(base64.b64decode(found)).decode()


# Learning curves


def test_a_lost_seed_continues_at_the_worst_value_and_a_stopped_one_at_its_last() -> None:
    nan = math.nan
    grid = np.array([[0.5, 0.6, 0.7], [0.5, 0.8, nan], [0.4, nan, nan], [nan, nan, nan], [0.1, math.inf, 0.2]])
    filled = continued(grid, np.array([False, False, True, True, False]), worst=9.0)
    assert filled.tolist() == [[0.5, 0.6, 0.7], [0.5, 0.8, 0.8], [0.4, 9, 9], [9, 9, 9], [0.1, 9, 0.2]]


def test_curves_are_medians_and_quartiles_over_the_seeds() -> None:
    rows = [
        {"problem": "quadratic", "entrant": "adam", "seed": seed, "epoch": epoch, "step": 5 * epoch, "seconds": epoch}
        | {"val/loss": value, "val/accuracy": math.nan}
        for seed, values in enumerate([(4, 1), (5, 2), (6, 3), (7, 4), (8,)])
        for epoch, value in enumerate(values, 1)
    ]
    runs = [
        {"problem": "quadratic", "entrant": "adam", "seed": seed, "ended": "diverged" if seed == 4 else "budget"}
        for seed in range(5)
    ]
    given = made(problems=(LOSS,), entrants=("adam",), curves=pandas.DataFrame(rows), runs=pandas.DataFrame(runs))
    found = curves(given)
    assert not isinstance(found, str)
    (problem,) = found["problems"]
    assert problem["figures"] == ["val/loss"]
    (line,) = problem["lines"]
    # In the second epoch the seeds have 1, 2, 3, 4, and the diverged one the worst value of all, 8.
    assert line["figures"]["val/loss"] == [[6, 3], [5, 2], [7, 4]]
    assert (line["epoch"], line["step"], line["seconds"]) == ([1, 2], [5, 10], [1, 2])
    assert (line["seeds"], line["lost"]) == (5, 1)


def test_long_curves_are_thinned_out_and_say_so() -> None:
    found = curves(comparison(NAMES[:2], problems=1, seeds=2, trials=0, epochs=400, valley=False))
    assert not isinstance(found, str)
    epochs = found["problems"][0]["lines"][0]["epoch"]
    assert (len(epochs), epochs[0], epochs[-1]) == (found["thinned"], 1, 400)


# Tuning


def test_budget_curves_are_the_expected_best_of_k_trials() -> None:
    trials = pandas.DataFrame({"figure": [3.0, 1.0, 2.0, 4.0], "lr": [0.1, 0.2, 0.3, 0.4], "entrant": "adam"})
    trials = trials.assign(problem="quadratic", trial=range(4), round=0, loss=0.0, diverged=0, chosen=[0, 1, 0, 0])
    found = tuning(made(problems=(LOSS,), entrants=("adam",), trials=trials))
    assert not isinstance(found, str)
    (problem,) = found["problems"]
    # Of the six pairs of 1, 2, 3, 4 the lower numbers are 1, 1, 1, 2, 2, 3; of the four triples 1, 1, 1, 2.
    best = [2.5, pytest.approx(10 / 6, rel=1e-4), 1.25, 1]
    assert problem["budget"] == [{"entrant": 0, "trials": [1, 2, 3, 4], "best": best}]
    assert problem["fields"] == {"lr": [0.1, 0.2, 0.3, 0.4]}
    assert problem["chosen"] == [0, 1, 0, 0]


# Scores over problems


def test_the_profile_counts_misses_and_factors() -> None:
    steps = {("digits", "adam"): 10.0, ("digits", "sgd"): 20.0, ("quadratic", "adam"): 50.0}
    base = made().standings[0]
    standings = [
        replace(base, problem=problem, entrant=entrant, steps_to_target=Reach(at, at, at, 3), step_seconds=math.nan)
        for problem in ("digits", "quadratic")
        for entrant in ("adam", "sgd")
        for at in [steps.get((problem, entrant), math.inf)]
    ]
    found = profile(made(problems=(ACCURACY, LOSS), standings=tuple(standings)))
    assert not isinstance(found, str)
    adam, sgd = found["steps"]
    assert (adam["score"], adam["solved"], adam["shares"]) == (1, 2, [1, 1])
    # Twice the best steps on one problem, a miss on the other: (4 - 2) / (4 - 1) / 2.
    assert (sgd["score"], sgd["solved"]) == (pytest.approx(1 / 3, rel=1e-4), 1)
    assert (sgd["factors"], sgd["shares"]) == ([1, 2, 4], [0, 0.5, 0.5])
    assert found["seconds"] is None
    # The problem that only adam solves is left out of the speed-ups; every entrant has one over itself.
    assert found["speedUps"] == {"steps": {"means": [[1, 2], [0.5, 1]], "problems": [[2, 1], [1, 1]]}, "seconds": None}


def test_no_speed_ups_without_a_problem_that_two_solve() -> None:
    inf = math.inf
    assert "no speed-ups" in speed_ups(np.array([[5.0, inf], [inf, 7.0]]))
    found = speed_ups(np.array([[5.0, inf], [inf, 7.0], [2.0, inf]]))
    assert not isinstance(found, str)
    assert found["means"][2] == [2.5, None, 1]


@pytest.mark.parametrize("problems", [4, 5], ids=["four", "five"])
def test_mean_ranks_need_five_problems(problems: int) -> None:
    found = mean_rank_diagram(comparison(NAMES[:3], problems, seeds=3, trials=0, epochs=2, valley=False))
    assert isinstance(found, str) == (problems == 4)
    if not isinstance(found, str):
        assert sum(found["ranks"]) == pytest.approx(6)
        assert found["difference"] == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 5)), abs=2e-3)  # Demsar's table 5


def test_the_heat_map_is_relative_to_the_best() -> None:
    nan = math.nan
    assert relative(np.array([0.8, 0.4, nan]), ACCURACY)[0].tolist()[:2] == [1, 0.5]
    assert relative(np.array([0.8, 0.4]), LOSS)[0].tolist() == [0.5, 1]
    shares, scaled = relative(np.array([-1.0, 0.0, 3.0]), LOSS)
    assert (shares.tolist(), scaled) == ([1, 0.75, 0], True)
    assert relative(np.array([0.0, 0.0]), LOSS)[0].tolist() == [1, 1]


def test_of_too_many_pairs_those_with_the_smallest_p_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framework.reports.standings.MOST_PAIRS", 2)
    pair = Pair("problem_0", "adam", "sgd", 0.1, 0.5, 0.2)
    found = pairs(made(pairs=tuple(replace(pair, p=p) for p in (0.5, 0.01, 1.0, 0.2))))
    assert (found["p"], found["all"], found["distinguishable"]) == ([0.01, 0.2], 4, [1, 0])


@pytest.mark.parametrize(
    ("sizes", "seen"),
    [((0.25, 0.0, 0.5, 1.0), [0.5, 0.25, 1]), ((0.0, 0.0), [0, 0, 0]), ((math.inf, math.inf), None), ((), None)],
    ids=["range", "equal", "seeds", "none"],
)
def test_the_smallest_differences_that_could_have_been_seen(sizes: tuple[float, ...], seen: list[float] | None) -> None:
    found = [Pair(ACCURACY.name, "adam", "sgd", 0.1, 0.5, size) for size in sizes]
    other = Pair(LOSS.name, "adam", "sgd", 0.1, 0.5, 99.0)
    assert visible(made(pairs=(*found, other)), ACCURACY) == seen


def test_problems_without_chance_are_marked() -> None:
    given = made()
    assert [each["constant"] for each in problems(given)] == [False]
    assert [each["constant"] for each in problems(replace(given, runs=given.runs.assign(counted=0.5)))] == [True]


# Paths


def test_contours_are_a_grid_and_paths_keep_both_ends() -> None:
    given = comparison(NAMES[:2], problems=1, seeds=2, trials=0, epochs=2)
    (valley,) = valleys_of(given)
    assert valley.loss.shape == (len(valley.y), len(valley.x))
    x, y = valley.x[3], valley.y[7]
    assert valley.loss[7, 3] == pytest.approx((1 - x) ** 2 + 100 * (y - x**2) ** 2)
    assert valley.minima.tolist() == [[1, 1]]
    assert valley.loss_at(float(valley.height_of(np.array(12.5)))) == pytest.approx(12.5)
    found = trajectories(replace(given, paths=given.paths.loc[given.paths.index.repeat(3)]))
    assert not isinstance(found, str)
    path = found["rosenbrock"]["paths"][0]
    assert (path["step"][0], path["step"][-1]) == (0, valley.paths["adam"][-1, 0])
    assert len(path["step"]) <= MOST_POINTS


def test_numbers_are_rounded_and_thinned() -> None:
    assert [number(value) for value in (1.0, 0.123456, 123456.7, math.nan, -math.inf)] == [
        1,
        0.12346,
        123460,
        None,
        None,
    ]
    assert thinned(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert thinned(101, 5).tolist() == [0, 25, 50, 75, 100]


# The page


def test_the_page_holds_its_data_and_asks_for_nothing() -> None:
    given = made()
    text = page(given)
    assert json.loads(unpacked(text, "data")) == payload(given)
    assert "plotly.js" in unpacked(text, "plotly")[:100]
    assert not re.search(r"""(src|href)=(?!"#|"data:)|url\(|@import|fetch\(|localStorage""", text)
    assert len(text) < LIMIT / 2


def test_texts_are_escaped() -> None:
    hostile = '</title></script>\u202e<script>alert(1)</script> & "quotes" $title ${verdict} \''
    given = made(title=hostile, verdict=hostile, protocol=(hostile,), about={hostile: hostile, "command": hostile})
    text = page(given)
    assert text.count("<script") == text.count("</script>") == 3
    escaped = "&lt;/title&gt;&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot; $title"
    assert "\u202e" not in text
    assert text.count(escaped) == 7  # the title twice, verdict, rule, name, value and command


def test_few_seeds_are_a_warning() -> None:
    given = made(seeds_needed=7)
    assert facts(given).endswith("Too few seeds to tell: differences can be significant from 7 seeds on.")
    assert "Too few" not in facts(replace(given, seeds_needed=3))
    assert facts(plain_sweep()).startswith("2 entrants · 1 problem · 1 reporting seed · not tuned.")


@pytest.mark.long
def test_a_large_study_is_below_six_megabytes() -> None:
    entrants = [f"{name}_{number}" for number in range(6) for name in NAMES]
    given = comparison(entrants, problems=25, seeds=12, trials=25, epochs=60)
    assert len(page(given)) < LIMIT
