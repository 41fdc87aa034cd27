"""Statistics of a comparison: summaries over seeds, paired tests, and scores over problems.

The seed is the unit of replication: every function takes one number per seed, never the pooled numbers of several
settings. Scores are greater for better runs, and finite: a study replaces the scores of diverged runs before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

LEVEL = 0.05
"""Probability of a wrong claim in a whole study, and 1 - the coverage of all intervals."""

EXACT = 30
"""Largest number of seeds for which all 2^n sign flips are counted."""

AT_ONCE = 12
"""Largest number of seeds for which the flips of all columns are computed as one matrix product."""

DRAWN = 1 << 14
"""Number of random sign flips for more seeds than `EXACT`."""

RESAMPLES = 2_000
"""Bootstrap samples of an interval."""

POWER = 0.8
"""Probability with which the smallest detectable difference would be found."""


@dataclass(frozen=True)
class Summary:
    """One entrant's scores on one problem.

    Attributes:
        mean, deviation, median: of the seeds; the deviation is that of a sample (n - 1), 0 for one seed.
        middle: the interquartile mean: the mean of the middle half.
        low, high: bounds of the interquartile mean's bootstrap interval of 95 %.
        seeds: the number of seeds.
    """

    mean: float
    deviation: float
    median: float
    middle: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, scores: np.ndarray) -> Summary:
        """Return the summary of scores ``(n,)``."""
        low, high = interval([scores])
        return cls(
            mean=float(np.mean(scores)),
            deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0,
            median=float(np.median(scores)),
            middle=float(interquartile_mean(scores)),
            low=low,
            high=high,
            seeds=len(scores),
        )


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half along the last axis; the outer ones count by the part that is inside.

    Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
    arXiv:2108.13264, section 4.3; with fractional weights, so that it is defined for any number of scores.
    """
    n = scores.shape[-1]
    edges = np.arange(n + 1) / n
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return np.asarray(np.sort(scores, axis=-1) @ (weights / weights.sum()))


def interval(strata: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the interquartile mean of all scores by a stratified percentile bootstrap.

    Args:
        strata: the scores of each problem, ``(n,)`` each; each is resampled by itself.
        seed: seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    resampled = [scores[rng.integers(0, len(scores), (RESAMPLES, len(scores)))] for scores in strata]
    low, high = np.quantile(interquartile_mean(np.concatenate(resampled, axis=1)), [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def reach(times: np.ndarray, seed: int = 0) -> tuple[float, float, float, int]:
    """Return median, bounds of the median's percentile bootstrap interval of 95 %, and the number of finite times.

    Misses are infinite. The median of an even number is the lower of the middle two, so that a miss is not averaged.

    Args:
        times: ``(n,)``, infinite for a miss.
        seed: seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    resampled = np.sort(times[rng.integers(0, len(times), (RESAMPLES, len(times)))], axis=1)
    middle = (len(times) - 1) // 2
    medians = np.sort(resampled[:, middle])
    low, high = medians[int(LEVEL / 2 * RESAMPLES)], medians[math.ceil((1 - LEVEL / 2) * RESAMPLES) - 1]
    return float(np.sort(times)[middle]), float(low), float(high), int(np.isfinite(times).sum())


def sign_flip_p(differences: np.ndarray) -> np.ndarray:
    """Return the two-sided p of the paired sign-flip permutation test of each column's mean.

    The share of all sign flips whose mean is at least as far from 0 as the observed one. The smallest p for n seeds is
    2 / 2^n. Means that differ only by rounding count as equal. For more than `EXACT` seeds, the share is that of random
    flips and the observed one, except for columns of one sign, whose p is known.

    Source: Fisher 1935, "The Design of Experiments", section 21; for random flips Phipson & Smyth 2010, "Permutation
    p-values should never be zero", equation 2.

    Args:
        differences: paired differences ``(n, columns)``, one row per seed.
    """
    n = len(differences)
    least = np.abs(differences.sum(axis=0)) - 1e-12 * np.abs(differences).sum(axis=0)
    if n <= AT_ONCE:
        return np.asarray((np.abs(_signs(n) @ differences) >= least).mean(axis=0))
    if n <= EXACT:
        return np.array([_counted(*column) for column in zip(differences.T, least, strict=True)])
    signs = 1.0 - 2.0 * np.random.default_rng(n).integers(0, 2, (DRAWN, n))
    reached = (np.abs(signs @ differences) >= least).sum(axis=0)
    one_sign = (differences >= 0).all(axis=0) | (differences <= 0).all(axis=0)
    zeros = (differences == 0).sum(axis=0)
    return np.where(one_sign, np.minimum(1.0, 2.0 ** (1 + zeros - n)), (reached + 1) / (DRAWN + 1))


@cache
def _signs(n: int) -> np.ndarray:
    """Return all sign flips ``(2^n, n)``."""
    return 1.0 - 2.0 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1)


def _counted(differences: np.ndarray, least: float) -> float:
    """Return the share of all sign flips of ``(n,)`` differences whose sum is at least ``least`` away from 0.

    The sums of both halves are listed, and pairs of them are counted by binary search: 2^(n/2) steps, not 2^n.
    """
    if least <= 0:
        return 1.0
    middle = len(differences) // 2
    first, second = (_signs(len(half)) @ half for half in (differences[:middle], differences[middle:]))
    below = np.searchsorted(np.sort(second), least - first)
    return float(2 * (len(second) - below).sum() / (len(first) * len(second)))  # as many are as far below 0


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values ``(m,)`` adjusted by Holm's step-down method.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, steps)
    return adjusted


def seeds_to_tell(entrants: int, problems: int) -> int:
    """Return the smallest number of seeds with which a difference can be significant after Holm's correction.

    The smallest n with 2 / 2^n times the number of pairs on all problems at most `LEVEL`.
    """
    pairs = math.comb(entrants, 2) * problems
    return max(1, math.ceil(math.log2(2 * max(1, pairs) / LEVEL)))


def detectable(differences: np.ndarray, pairs: int) -> float:
    """Return the smallest true difference that the study would find with the probability `POWER`.

    The normal approximation with Student's t, at the level `LEVEL` / ``pairs`` of the first step of Holm's method;
    infinite if there are too few seeds.

    Args:
        differences: paired differences of two entrants, ``(n,)``.
        pairs: the number of pairs in the study.
    """
    from scipy.special import stdtrit  # Student's quantile; scipy.stats takes a second to import

    n = len(differences)
    if n < 2 or 2 / 2**n * pairs > LEVEL:
        return math.inf
    quantiles = stdtrit(n - 1, 1 - LEVEL / pairs / 2) + stdtrit(n - 1, POWER)
    return float(quantiles * np.std(differences, ddof=1) / math.sqrt(n))


@dataclass(frozen=True)
class Pair:
    """The comparison of two entrants on one problem.

    Attributes:
        problem, first, second: names.
        difference: mean of first - second over the paired seeds.
        p: the adjusted p-value, over all pairs on all problems.
        detectable: as in `detectable`.
    """

    problem: str
    first: str
    second: str
    difference: float
    p: float
    detectable: float

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is significant."""
        return self.p <= LEVEL


def compared(scores: Mapping[str, Mapping[str, np.ndarray]]) -> list[Pair]:
    """Return the comparison of all pairs on all problems, with Holm's correction over all of them.

    Correcting only the comparisons with the best entrant, which is chosen from the same data, would claim too much.

    Args:
        scores: scores ``(n,)`` in the same order of seeds, by problem and entrant.
    """
    named, differences, p = list[tuple[str, str, str]](), list[np.ndarray](), list[np.ndarray]()
    for problem, by in scores.items():
        pairs = list(combinations(by, 2))
        if pairs:
            columns = np.stack([by[a] - by[b] for a, b in pairs], axis=1)
            named += [(problem, a, b) for a, b in pairs]
            differences += list(columns.T)
            p.append(sign_flip_p(columns))
    adjusted = holm(np.concatenate(p)) if p else ()
    return [
        Pair(*names, float(each.mean()), float(chance), detectable(each, len(named)))
        for names, each, chance in zip(named, differences, adjusted, strict=True)
    ]


def groups(order: Sequence[str], distinguishable: Callable[[str, str], bool]) -> list[tuple[str, ...]]:
    """Return the largest groups within which no two entrants are distinguishable, the best entrant's first.

    Not being distinguishable is not transitive: an entrant may be in several groups.

    Source: the insert-and-absorb algorithm of Piepho 2004, "An algorithm for a letter-based representation of all-
    pairwise comparisons".

    Args:
        order: the entrants, best first.
        distinguishable: whether two entrants are.
    """
    found: list[frozenset[str]] = [frozenset(order)]
    for i, a in enumerate(order):
        for b in order[i + 1 :]:
            if distinguishable(a, b):
                parts = [part for each in found for part in (({a, b} <= each and (each - {a}, each - {b})) or (each,))]
                found = [part for part in dict.fromkeys(parts) if not any(part < other for other in parts)]
    place = {name: at for at, name in enumerate(order)}
    listed = [tuple(sorted(each, key=place.__getitem__)) for each in found]
    return sorted(listed, key=lambda each: [place[name] for name in each])


def ranks(order: Sequence[str], distinguishable: Callable[[str, str], bool]) -> dict[str, int]:
    """Return each entrant's rank: 1 plus the number of entrants that are distinguishably better."""
    return {b: 1 + sum(distinguishable(a, b) for a in order[:at]) for at, b in enumerate(order)}


def ratios_to_best(times: np.ndarray) -> np.ndarray:
    """Return times divided by the best of each problem; infinite for a miss.

    Args:
        times: times to the target ``(entrants, problems)``, infinite for a miss.
    """
    best = times.min(axis=0)
    return np.where(np.isfinite(times), times / np.where(np.isfinite(best), best, 1.0), np.inf)


def performance_profile(times: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the share of problems that each entrant solves within ``factors`` of the best time.

    Source: Dolan & More 2002, "Benchmarking optimization software with performance profiles", equation 2.1.

    Args:
        times: as in `ratios_to_best`.
        factors: ``(F,)``, from 1.

    Returns:
        Shape ``(entrants, F)``.
    """
    return np.asarray((ratios_to_best(times)[..., None] <= factors).mean(axis=1))


def profile_score(times: np.ndarray, limit: float = 4.0) -> np.ndarray:
    """Return the mean of the performance profile from 1 to ``limit``, shape ``(entrants,)``: 1 is best.

    Source: Dahl et al. 2023, "Benchmarking Neural Network Training Algorithms", arXiv:2306.07179, section 4.4.

    Args:
        times: as in `ratios_to_best`.
        limit: the largest factor.
    """
    ratios = np.minimum(ratios_to_best(times), limit)
    return np.asarray(((limit - ratios) / (limit - 1)).mean(axis=1))


def speed_up(first: np.ndarray, second: np.ndarray) -> tuple[float, int]:
    """Return how many times as fast ``first`` is as ``second``, and the number of problems that this is the mean of.

    The geometric mean of ``second / first`` over the problems whose target both reached; misses are left out. NaN
    without such a problem. Swapping the two gives the inverse, which an arithmetic mean would not.

    Source: Fleming & Wallace 1986, "How not to lie with statistics: the correct way to summarize benchmark results".

    Args:
        first: positive times to the target ``(problems,)``, infinite for a miss.
        second: as ``first``.
    """
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return math.nan, 0
    return float(np.exp(np.log(second[both] / first[both]).mean())), int(both.sum())


def critical_difference(entrants: int, problems: int) -> float:
    """Return the difference of mean ranks from which two entrants differ, by Nemenyi's test at `LEVEL`.

    Source: Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", section 3.2.2.
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - LEVEL, entrants, np.inf)) / math.sqrt(2)
    return q * math.sqrt(entrants * (entrants + 1) / (6 * problems))


def mean_ranks(means: np.ndarray) -> np.ndarray:
    """Return each entrant's rank averaged over the problems, ``(entrants,)``; equal scores share their mean rank.

    Args:
        means: mean scores ``(entrants, problems)``.
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-means, axis=0).mean(axis=1))


def probability_of_improvement(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Return the probability that a run of ``first`` is better than one of ``second``, averaged over problems.

    Ties count one half. Source: Agarwal et al. 2021, arXiv:2108.13264, section 4.3.

    Args:
        first: scores ``(n,)`` per problem.
        second: as ``first``.
    """
    shares = [
        ((a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])).mean() for a, b in zip(first, second, strict=True)
    ]
    return float(np.mean(shares))


def expected_best(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the expected best score of k of the trials, drawn without replacement, for each k, shape ``(K,)``.

    The i-th lowest of n scores is the best of k with the probability C(i - 1, k - 1) / C(n, k).

    Source: Dodge et al. 2019, "Show Your Work: Improved Reporting of Experimental Results", arXiv:1909.03004, section
    3, there with replacement.

    Args:
        scores: one score per trial, ``(n,)``.
        counts: the values of k, ``(K,)``, from 1 to n.
    """
    from scipy.special import gammaln

    def log_binomial(n: np.ndarray | int, k: int) -> np.ndarray:  # -inf for k > n
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n + 1 - k))

    n, lower, ordered = len(scores), np.arange(len(scores)), np.sort(scores)
    return np.array([np.exp(log_binomial(lower, k - 1) - log_binomial(n, k)) @ ordered for k in counts.tolist()])
