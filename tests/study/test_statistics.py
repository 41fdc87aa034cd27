"""Statistics of a comparison, against hand-computed cases, SciPy, and simulated studies whose truth is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from framework.study.statistics import (
    LEVEL,
    Summary,
    compared,
    critical_difference,
    detectable,
    expected_best,
    groups,
    holm,
    interquartile_mean,
    interval,
    mean_ranks,
    performance_profile,
    probability_of_improvement,
    profile_score,
    ranks,
    seeds_to_tell,
    sign_flip_p,
    speed_up,
)


def test_interquartile_mean():
    assert interquartile_mean(np.array([8.0, 1, 2, 3, 4, 5, 6, 7])) == pytest.approx((3 + 4 + 5 + 6) / 4)
    assert interquartile_mean(np.array([0.0, 1, 2, 3, 100])) == pytest.approx((0.75 * 1 + 2 + 0.75 * 3) / 2.5)
    assert interquartile_mean(np.array([5.0])) == 5.0
    many = np.random.default_rng(0).standard_normal(400)
    assert interquartile_mean(many) == pytest.approx(stats.trim_mean(many, 0.25))


def test_summary():
    summary = Summary.of(np.array([1.0, 2.0, 3.0, 6.0]))
    assert (summary.mean, summary.median, summary.seeds) == (3.0, 2.5, 4)
    assert summary.deviation == pytest.approx(math.sqrt(14 / 3))
    assert summary.low <= summary.middle <= summary.high
    assert Summary.of(np.array([2.0])) == Summary(2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 1)


def test_interval_agrees_with_scipy():
    scores = np.random.default_rng(1).standard_normal(24)
    expected = stats.bootstrap((scores,), lambda x, axis: interquartile_mean(x), method="percentile", rng=1)
    np.testing.assert_allclose(interval([scores]), expected.confidence_interval, atol=0.05)


def test_strata_are_resampled_by_themselves():
    """Problems of very different levels: resampling them together would let whole problems be left out."""
    low, high = interval([np.full(12, 0.0), np.full(12, 1.0)])
    assert (low, high) == (0.5, 0.5)


@pytest.mark.parametrize("n", [1, 9, 15], ids=["one", "few", "halves"])
def test_sign_flips_by_enumeration(n):
    """Those of fifteen seeds are counted by halves."""
    differences = np.random.default_rng(2).normal(0.4, 1, (n, 3))
    signs = np.array(list(itertools.product([1, -1], repeat=n)))
    for column, p in zip(differences.T, sign_flip_p(differences), strict=True):
        means = np.abs(signs @ column)
        assert p == pytest.approx((means >= abs(column.sum()) - 1e-9).mean())
        if n == 9:
            exact = stats.permutation_test((column,), np.sum, permutation_type="samples", n_resamples=np.inf)
            assert p == pytest.approx(exact.pvalue, abs=1e-12)


def test_extremes_of_the_sign_flips():
    assert sign_flip_p(np.ones((7, 1)))[0] == 2 / 2**7
    assert sign_flip_p(np.zeros((7, 1)))[0] == 1.0
    assert sign_flip_p(np.array([[0.1], [0.2], [-0.3]]))[0] == 1.0  # the sum is 0 but for rounding
    assert sign_flip_p(np.ones((15, 1)))[0] == 2 / 2**15
    assert sign_flip_p(np.ones((29, 1)))[0] == 2 / 2**29
    assert sign_flip_p(np.zeros((16, 1)))[0] == 1.0


def test_more_seeds_than_are_enumerated():
    """Columns of one sign are exact; others are near the normal approximation, and never 0."""
    one_sign = np.ones((32, 1))
    with_zeros = np.vstack([one_sign[:-2], np.zeros((2, 1))])
    mixed = np.random.default_rng(7).normal(0.3, 1, (32, 1))
    clear = np.vstack([np.full((31, 1), 5.0), [[-0.1]]])
    p = sign_flip_p(np.hstack([one_sign, with_zeros, mixed, clear]))
    assert p[0] == 2 / 2**32
    assert p[1] == 2 / 2**30
    assert p[2] == pytest.approx(stats.ttest_1samp(mixed[:, 0], 0).pvalue, abs=0.02)
    assert 0 < p[3] < 1e-3


def test_holm():
    """The example of Holm's method: 0.01 x 4, 0.013 x 3, 0.03 x 2, 0.04."""
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.04, 0.013])), [0.06, 0.04, 0.06, 0.04])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1.0, 1.0])


@pytest.mark.parametrize(("entrants", "problems", "seeds"), [(3, 1, 7), (8, 3, 12), (2, 1, 6)])
def test_seeds_to_tell(entrants, problems, seeds):
    assert seeds_to_tell(entrants, problems) == seeds
    pairs = math.comb(entrants, 2) * problems
    assert 2 / 2**seeds * pairs <= LEVEL < 2 / 2 ** (seeds - 1) * pairs


def draw(rng, entrants, problems, seeds, effect=0.0):
    """Return scores with a noise that all entrants share per seed; the first entrant is better by ``effect``."""
    return {
        f"p{p}": {
            f"e{e}": shared + rng.standard_normal(seeds) + (effect if e == 0 else 0.0)
            for shared in [rng.standard_normal(seeds)]
            for e in range(entrants)
        }
        for p in range(problems)
    }


@pytest.mark.parametrize(
    ("entrants", "problems", "studies"),
    [(3, 1, 1000), pytest.param(8, 3, 1000, marks=pytest.mark.long)],
    ids=["small", "large"],
)
def test_few_studies_without_a_difference_claim_one(entrants, problems, studies):
    rng = np.random.default_rng(3)
    seeds = seeds_to_tell(entrants, problems)
    claims = sum(
        any(pair.distinguishable for pair in compared(draw(rng, entrants, problems, seeds))) for _ in range(studies)
    )
    assert claims / studies <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / studies)
    assert claims  # the test is exact: it is not so strict that it can claim nothing


def test_a_detectable_difference_is_found():
    """Two entrants, 12 seeds: a difference of the stated size is found with about the stated power."""
    rng = np.random.default_rng(4)
    sizes = [detectable(rng.normal(0, math.sqrt(2), 12), 1) for _ in range(300)]
    effect, found = float(np.mean(sizes)), 0
    for _ in range(300):
        (pair,) = compared(draw(rng, 2, 1, 12, effect))
        found += pair.distinguishable and pair.difference > 0
    assert 0.7 < found / 300 < 0.95


def test_too_few_seeds_detect_nothing():
    assert detectable(np.array([1.0, 2.0, 3.0]), 1) == math.inf
    scores = {"p": {"a": np.arange(5) + 10.0, "b": np.arange(5) * 1.0}}
    assert not compared(scores)[0].distinguishable


def test_groups_and_ranks():
    """a differs from c only: a and b are equal, b and c are equal, a and c are not."""
    differ = {frozenset("ac")}
    told = lambda x, y: frozenset((x, y)) in differ  # noqa: E731
    assert groups("abc", told) == [("a", "b"), ("b", "c")]
    assert ranks("abc", told) == {"a": 1, "b": 1, "c": 2}
    assert groups("ab", lambda x, y: True) == [("a",), ("b",)]
    assert groups("abcd", lambda x, y: False) == [("a", "b", "c", "d")]


def test_groups_are_the_maximal_ones():
    rng = np.random.default_rng(5)
    names = "abcdef"
    for _ in range(50):
        differ = {frozenset(pair) for pair in itertools.combinations(names, 2) if rng.random() < 0.5}
        equal = [
            set(some)
            for size in range(1, 7)
            for some in itertools.combinations(names, size)
            if not any(frozenset(pair) in differ for pair in itertools.combinations(some, 2))
        ]
        maximal = [each for each in equal if not any(each < other for other in equal)]
        found = groups(names, lambda x, y: frozenset((x, y)) in differ)  # noqa: B023
        assert sorted(map(sorted, maximal)) == sorted(map(list, found))


TIMES = np.array([[10.0, 20.0, np.inf], [20.0, 10.0, 50.0], [np.inf, 80.0, 100.0]])
"""Three entrants on three problems; ratios 1, 2, inf; 2, 1, 1; inf, 8, 2."""


def test_performance_profile():
    profile = performance_profile(TIMES, np.array([1.0, 2.0, 4.0, 8.0]))
    np.testing.assert_allclose(profile, np.array([[1, 2, 2, 2], [2, 3, 3, 3], [0, 1, 1, 2]]) / 3)


def test_profile_score_is_the_area():
    np.testing.assert_allclose(profile_score(TIMES), [(3 + 2) / 9, (2 + 3 + 3) / 9, 2 / 9])
    factors = np.linspace(1, 4, 30_001)
    areas = np.trapezoid(performance_profile(TIMES, factors), factors, axis=1) / 3
    np.testing.assert_allclose(profile_score(TIMES), areas, atol=1e-4)
    assert profile_score(np.full((2, 1), np.inf)).tolist() == [0, 0]


def test_ranks_over_problems():
    means = np.array([[3.0, 1.0], [2.0, 1.0], [1.0, 2.0]])
    assert mean_ranks(means).tolist() == [(1 + 2.5) / 2, (2 + 2.5) / 2, (3 + 1) / 2]
    # Demsar 2006, table 5(a): q for 4 classifiers is 2.569; the paper's example has 14 data sets, CD = 1.25
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_probability_of_improvement():
    first, second = [np.array([1.0, 3.0])], [np.array([1.0, 2.0])]
    assert probability_of_improvement(first, second) == (0.5 + 0 + 1 + 1) / 4
    u = stats.mannwhitneyu(first[0], second[0]).statistic
    assert probability_of_improvement(first, second) == u / 4


def test_expected_best():
    scores = np.array([0.3, 0.9, 0.5, 0.1])
    expected = [np.mean([max(some) for some in itertools.combinations(scores, k)]) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(expected_best(scores, np.arange(1, 5)), expected)


def test_expected_best_of_many_trials():
    """Of the numbers 1 to n, the best of k is expected at k (n + 1) / (k + 1)."""
    n, counts = 100_000, np.array([1, 2, 1_000, 99_999, 100_000])
    found = expected_best(np.arange(n, 0, -1.0), counts)
    np.testing.assert_allclose(found, counts * (n + 1) / (counts + 1), rtol=1e-8)


def test_speed_up():
    """The first needs a half and an eighth of the second's time on two problems; on the others, one of them misses."""
    first, second = np.array([10.0, 5.0, np.inf, 7.0, np.inf]), np.array([20.0, 40.0, 3.0, np.inf, np.inf])
    assert speed_up(first, second) == (pytest.approx(4), 2)
    assert speed_up(second, first) == (pytest.approx(1 / 4), 2)
    assert speed_up(first, first) == (1, 3)
    mean, problems = speed_up(first[2:], second[2:])
    assert (math.isnan(mean), problems) == (True, 0)
