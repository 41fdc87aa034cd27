"""Coefficients and schedules have the same bits alone and in any population, powers with an exponent of 2 included."""

from __future__ import annotations

import numpy as np
import pytest

from framework.base.numerics import pad_for_pow
from plugins.optimizers.adam import Adam
from plugins.schedules.exponential import Exponential
from plugins.schedules.polynomial import Polynomial

RUNS = 200


def differing(together, alone):
    return sum(int((together[:, run] != alone[run][:, 0]).sum()) for run in range(RUNS))


@pytest.mark.parametrize("steps", [(1, 2, 3), (2,), (2, 3)])
def test_coefficients_of_a_run_do_not_depend_on_the_others(steps):
    betas = (1 - 10 ** np.random.default_rng(1).uniform(-4, -1, RUNS)).tolist()
    steps, factors = np.array(steps), np.ones((len(steps), 1, 1))
    together = Adam(beta1=betas, beta2=betas).table(steps, factors, {})
    alone = [Adam(beta1=beta, beta2=beta).table(steps, factors, {}) for beta in betas]
    for name in together:
        wide = np.broadcast_to(together[name], (len(steps), RUNS, 1))
        assert differing(wide, [one[name] for one in alone]) == 0


@pytest.mark.parametrize("steps", [(1, 2, 3, 4), (3,)])
def test_schedules_of_a_run_do_not_depend_on_the_others(steps):
    steps = np.array(steps)
    gammas = (1 - 10 ** np.random.default_rng(2).uniform(-4, -1, RUNS)).tolist()
    together = Exponential(gamma=gammas).factors(steps, 9)
    assert together.shape == (len(steps), RUNS, 1)
    assert differing(together, [Exponential(gamma=gamma).factors(steps, 9) for gamma in gammas]) == 0
    powers = [2.0, *np.random.default_rng(3).uniform(0.5, 3, RUNS - 1).tolist()]
    together = Polynomial(power=powers).factors(steps, 9)
    assert differing(together, [Polynomial(power=power).factors(steps, 9) for power in powers]) == 0


def test_a_table_of_one_step_has_the_bits_of_a_long_one():
    betas = (1 - 10 ** np.random.default_rng(4).uniform(-4, -1, RUNS)).tolist()
    for beta in betas:
        made = Adam(beta1=beta, beta2=beta)
        long = made.table(np.arange(1, 6), np.ones((5, 1, 1)), {})
        short = made.table(np.array([2]), np.ones((1, 1, 1)), {})
        for name in long:
            assert short[name].shape[0] == 1
            assert np.array_equal(np.broadcast_to(long[name], (5, 1, 1))[1:2], short[name])


def test_widened_has_at_least_two_steps_of_its_own():
    made = pad_for_pow(np.array([[3.0]]), (1, 4, 1))
    assert made.shape == (2, 4, 1)
    assert made.dtype == np.float64
    assert made.flags.owndata
    assert (made == 3).all()
