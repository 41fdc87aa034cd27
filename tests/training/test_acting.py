"""Chains in which a part would never act, or would act at every batch by mistake, are refused before the start."""

from __future__ import annotations

import numpy as np
import pytest
from chains import chain, follow, optimizer_class, recorded, relative
from runs import config, trained

from framework.base.stage import Stage
from framework.errors import InputError
from framework.registry import manager
from framework.sweeps.cost import fits
from framework.training.acting import refuse_idle
from framework.training.population import Population

STEPS = 9
"""Of `config()`: three epochs of three batches."""
IDLE = {
    "accumulate": ({"accumulate": {"every": 10}}, r"lower stages\.accumulate\.every=10, or raise the budget"),
    "lookahead": ({"lookahead": {"k": 10}}, r"lower stages\.lookahead\.k=10, or raise"),
    "average": ({"polyak_average": {"start": 10}}, r"lower stages\.polyak_average\.start=10, or raise"),
    "product": (
        {"accumulate": {"every": 3}, "lookahead": {"k": 4}},
        r"lookahead: the first effect is at step 12 and .* step 9: "
        r"lower stages\.lookahead\.k=4 or stages\.accumulate\.every=3",
    ),
}


@pytest.mark.parametrize("case", IDLE)
def test_a_stage_that_would_never_act_is_refused(case):
    stages, words = IDLE[case]
    with pytest.raises(InputError, match=words):
        Population([config(stages=stages)])
    with pytest.raises(InputError, match=words):  # as a sweep asks, before its first job
        fits([config(stages=stages)])
    Population([config(stages=stages, epochs=5)])


@pytest.mark.parametrize("name", ["accumulate", "lookahead"])
def test_a_stage_may_act_at_the_last_step(name):
    field = {"accumulate": "every", "lookahead": "k"}[name]
    first = Population([config()]).model.parameters.row(0)
    found = trained(config(stages={name: {field: STEPS}}))[0].predictor._model.parameters.row(0)
    assert not np.array_equal(found["2_dense/weight"], first["2_dense/weight"])


def test_a_budget_in_seconds_alone_is_not_judged():
    population = Population([config(stages={"lookahead": {"k": 1000}}, epochs=None, max_seconds=0.01)])
    assert population.total is None


@pytest.mark.parametrize("name", ["soap", "adopt", "split"])
def test_a_rule_whose_first_step_moves_nothing_needs_two(name):
    optimizer = {"name": "split", "matrices": "soap"} if name == "split" else {"name": name}
    with pytest.raises(InputError, match=f"optimizer {name}: the first effect is at step 2 and the budget ends at"):
        Population([config(optimizer=optimizer, epochs=None, steps=1)])
    first = Population([config(optimizer=optimizer)]).model.parameters.flat
    found = trained(config(optimizer=optimizer, epochs=None, steps=2))[0].predictor._model.parameters.flat
    assert not np.array_equal(found, first)


def test_a_stage_of_ones_own_says_when_it_acts():
    class Late(Stage):
        """Does something from step 8 on."""

        def first_act(self):
            return 8

    adam = optimizer_class("adam")()
    refuse_idle(adam, [Late()], 8)
    with pytest.raises(InputError, match="Late: the first effect is at step 8 and the budget ends at step 7: raise"):
        refuse_idle(adam, [Late()], 7)


def stage(name, **fields):
    return manager.find("stage", name).cls(**fields)


def test_decay_before_accumulation_is_refused_and_after_it_acts_once_a_step_of_the_rule():
    start, gradients = recorded(1, 6, 12)
    decay, accumulate = stage("decoupled_weight_decay", weight_decay=0.5), stage("accumulate", every=3)
    made = optimizer_class("iterative")(lr=0.1)
    with pytest.raises(InputError, match=r"decoupled_weight_decay before accumulate .* list it after accumulate"):
        chain(made, start, stages=[decay, accumulate])
    chain(made, start, stages=[decay, stage("accumulate", every=1)])
    p = start[0]
    for group in gradients[:, 0].reshape(4, 3, -1):
        p = p * (1 - 0.1 * 0.5) - 0.1 * group.mean(axis=0)
    assert relative(follow(chain(made, start, stages=[accumulate, decay]), gradients)[-1], p[None]) <= 1e-12


def test_the_order_of_a_stage_of_ones_own_is_refused_too():
    class Pull(Stage):
        """Pulls the parameters to zero."""

        moves_parameters = True

    start, _ = recorded(1, 6)
    two = [stage("accumulate", every=2), Pull(), stage("accumulate", every=3)]
    with pytest.raises(InputError, match="Pull before accumulate would change the parameters at every batch"):
        chain(optimizer_class("sgd")(), start, stages=two)
