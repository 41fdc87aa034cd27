"""Initialisers: mean, variance, shape of the distribution, orthogonality, and streams keyed by seed and name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from framework.base.initializers import INITIALIZERS, initialize
from framework.base.layer import Weight
from framework.base.randomness import SeedGroups
from framework.errors import InputError

FAN_IN, FAN_OUT = 300, 200
VARIANCE = {
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "lecun_normal": 1 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "normal": 1.0,
    "truncated_normal": 1.0,
    "orthogonal": 1 / FAN_IN,
    "zeros": 0.0,
    "ones": 0.0,
}


def drawn(initial, shape=(FAN_IN, FAN_OUT), seeds=(0,), scale=1.0, name="1_dense/weight", dtype=np.float64):
    view = np.full((len(seeds), *shape), np.nan, dtype)
    initialize(view, Weight(shape, initial, FAN_IN, FAN_OUT, scale), name, SeedGroups(seeds))
    return view


def test_every_initialiser_has_its_variance_here():
    assert set(VARIANCE) == set(INITIALIZERS)


@pytest.mark.parametrize("initial", VARIANCE)
def test_mean_and_variance(initial):
    values = drawn(initial)
    deviation = math.sqrt(VARIANCE[initial])
    assert values.mean() == pytest.approx(1.0 if initial == "ones" else 0.0, abs=deviation * 4 / math.sqrt(values.size))
    assert values.var() == pytest.approx(VARIANCE[initial], rel=0.02)


@pytest.mark.parametrize("initial", [name for name in VARIANCE if name.endswith("uniform")])
def test_uniform_draws_fill_their_interval_and_no_more(initial):
    bound = math.sqrt(3 * VARIANCE[initial])
    values = drawn(initial)
    assert 0.999 * bound < np.abs(values).max() <= bound
    assert np.histogram(values, 4, (-bound, bound))[0] == pytest.approx(values.size / 4, rel=0.03)


@pytest.mark.parametrize("initial", ["normal", "he_normal", "glorot_normal", "lecun_normal"])
def test_normal_draws_have_normal_tails(initial):
    standard = drawn(initial) / math.sqrt(VARIANCE[initial])
    assert (np.abs(standard) > 2).mean() == pytest.approx(math.erfc(2 / math.sqrt(2)), rel=0.1)
    assert (standard**4).mean() == pytest.approx(3.0, rel=0.05)


def test_a_truncated_normal_ends_at_two_deviations_of_the_uncut_one():
    values = drawn("truncated_normal")
    inside = 1 - math.erfc(2 / math.sqrt(2))
    deviation = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / inside)
    assert np.abs(values).max() <= 2 / deviation
    assert np.abs(values).max() > 1.98 / deviation
    assert (np.abs(values) < 1 / deviation).mean() == pytest.approx(
        (1 - math.erfc(1 / math.sqrt(2))) / inside, rel=0.02
    )


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (3, 3, 2, 8), (2, 2, 1, 16)])
def test_orthogonal_draws_are_orthogonal(shape):
    matrix = drawn("orthogonal", shape)[0].reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    assert np.allclose(gram, np.eye(len(gram)), rtol=0, atol=1e-14)


def test_orthogonal_draws_are_uniform_over_rotations():
    corners = np.array([drawn("orthogonal", (2, 2), (seed,))[0] for seed in range(400)])
    assert corners.mean(axis=0) == pytest.approx(0.0, abs=4 * math.sqrt(0.5 / 400))
    assert (corners**2).mean(axis=0) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("initial", VARIANCE)
def test_a_draw_depends_on_seed_and_name_alone(initial):
    alone = drawn(initial, (5, 3), (7,))[0]
    together = drawn(initial, (5, 3), (2, 7, 1, 7))
    assert np.array_equal(together[1], alone)
    assert np.array_equal(together[3], alone)
    assert np.array_equal(drawn(initial, (5, 3), (7, 7)), [alone, alone])
    if VARIANCE[initial]:
        assert not np.array_equal(together[0], alone)
        assert not np.array_equal(drawn(initial, (5, 3), (7,), name="2_dense/weight")[0], alone)


def test_the_scale_is_one_number_a_run():
    plain = drawn("he_normal", (5, 3), (7, 8))
    scaled = drawn("he_normal", (5, 3), (7, 8), scale=np.array([[0.5], [3.0]]))
    shared = drawn("he_normal", (5, 3), (7, 7), scale=np.array([[0.5], [3.0]]))
    assert np.array_equal(scaled, plain * [[[0.5]], [[3.0]]])
    assert np.array_equal(shared, plain[:1] * [[[0.5]], [[3.0]]])


def test_float32_is_the_rounded_float64():
    assert np.array_equal(drawn("he_normal", dtype=np.float32), drawn("he_normal").astype(np.float32))


def test_an_unknown_initialiser_is_one_clear_line():
    with pytest.raises(InputError, match="1_dense/weight: no initialiser he_norm; did you mean he_normal"):
        drawn("he_norm")
