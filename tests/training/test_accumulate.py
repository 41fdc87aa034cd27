"""`accumulate`: the rule acts on every so-manieth mean gradient, and does not know that there were more batches."""

from __future__ import annotations

import numpy as np
import pytest
from chains import Falling, chain, follow, optimizer_class, recorded, relative
from runs import assert_same_alone, config, trained

from framework.base.schedule import Schedule
from framework.errors import InputError
from framework.registry import manager
from framework.training.update import TABLE, Update

RULES = ["sgd", "adam", "adamw", "nadam", "muon", "schedule_free_sgd", "prodigy", "asgd", "split"]


def stage(name, **fields):
    return manager.find("stage", name).cls(**fields)


def means(gradients, every):
    """Return the mean of each full group of ``every`` gradients, ``(steps // every, R, size)``."""
    full = len(gradients) // every * every
    return gradients[:full].reshape(-1, every, *gradients.shape[1:]).sum(axis=1) / every


class Seen(Schedule):
    """`Falling` as a rule that acts at each ``apart``-th step sees it."""

    apart = 1

    def factor(self, t, total):
        return 0.5 ** ((t * self.apart - 1) % 4)


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("every", [1, 3])
def test_the_rule_sees_means_and_its_own_steps(name, every, dtype, kernel, monkeypatch):
    monkeypatch.setattr(Seen, "apart", every)
    start, gradients = recorded(2, 8, 23, dtype=dtype)
    made = optimizer_class(name)
    stages = [stage("accumulate", every=every)]
    parameters = chain(made(), start).parameters
    update = Update(made(), parameters, parameters.like(), schedule=Falling(), stages=stages, kernel=kernel)
    plain = chain(made(), start, schedule=Seen())
    found, expected = follow(update, gradients), follow(plain, means(gradients, every))
    for step in range(len(gradients)):
        acted = (step + 1) // every
        assert np.array_equal(found[step], expected[acted - 1] if acted else start)
    assert np.array_equal(update.evaluation_point(), plain.evaluation_point())


def test_schedules_go_past_the_table_and_over_a_restore():
    steps, every = TABLE + 40, 7
    start, gradients = recorded(2, 5, steps)
    made = optimizer_class("nadam")(lr=[0.1, 0.01])
    whole = follow(chain(made, start, schedule=Falling(), stages=[stage("accumulate", every=every)]), gradients)
    for cut in (3, 7, TABLE - 2, TABLE + 1, TABLE + 38):
        first = chain(made, start, schedule=Falling(), stages=[stage("accumulate", every=every)], total=steps)
        follow(first, gradients[:cut])
        second = chain(
            made,
            first.parameters.flat.copy(),
            schedule=Falling(),
            total=steps,
            stages=[stage("accumulate", every=every)],
        )
        second.restore({name: array.copy() for name, array in first.state.items()})
        assert np.array_equal(follow(second, gradients[cut:], first=cut + 1), whole[cut:])
    assert np.array_equal(whole[steps // every * every - 1], whole[-1])


@pytest.mark.parametrize("total", [2, 3, 10])
def test_a_budget_that_ends_within_a_group_leaves_the_rest_unused(total):
    start, gradients = recorded(1, 5, total)
    update = chain(optimizer_class("adam")(), start, stages=[stage("accumulate", every=4)], total=total)
    found = follow(update, gradients)
    if total < 4:
        assert np.array_equal(found[-1], start)
    else:
        assert np.array_equal(found[-1], found[7])
        assert not np.array_equal(found[-1], start)


def test_what_stands_before_acts_on_each_batch_and_what_stands_after_on_the_mean():
    start, gradients = recorded(1, 6, 12)
    clip, ema = stage("clip_value", max_value=0.1), stage("ema", decay=0.5)
    sgd = optimizer_class("iterative")(lr=0.1)
    for order in ("before", "after"):
        accumulate = stage("accumulate", every=3)
        stages = [clip, accumulate, ema] if order == "before" else [ema, accumulate, clip]
        update = chain(sgd, start, stages=stages)
        found = follow(update, gradients)
        p, average, weight = start[0].copy(), start[0].copy(), 0.0
        for at in range(0, 12, 3):
            group = gradients[at : at + 3, 0]
            if order == "before":
                p = p - 0.1 * np.clip(group, -0.1, 0.1).mean(axis=0)
            else:
                p = p - 0.1 * np.clip(group.mean(axis=0), -0.1, 0.1)
            weight = 0.5 * weight + 0.5
            average = average + 0.5 / weight * (p - average)
            assert relative(found[at + 2], p[None]) <= 1e-12
        assert relative(update.evaluation_point(), average[None]) <= 1e-12


def test_two_accumulations_multiply():
    start, gradients = recorded(1, 6, 13)
    both = [stage("accumulate", every=2), stage("accumulate", every=3)]
    found = follow(chain(optimizer_class("adam")(), start, stages=both), gradients)
    one = follow(chain(optimizer_class("adam")(), start, stages=[stage("accumulate", every=6)]), gradients)
    assert relative(found, one) <= 1e-12


def test_runs_are_the_same_alone_and_a_diverged_one_harms_nobody():
    start, gradients = recorded(3, 701, 12, dtype=np.float32)
    rates = [0.1, 0.2, 0.3]
    sgd, stages = optimizer_class("sgd"), [stage("accumulate", every=4)]
    together = follow(chain(sgd(lr=rates), start, stages=stages), gradients)
    for place in range(3):
        one = slice(place, place + 1)
        alone = follow(chain(sgd(lr=rates[place]), start[one], stages=stages), gradients[:, one])
        assert np.array_equal(alone, together[:, one])
    gradients[5, 1, 3] = np.inf
    gradients[6, 1, 3] = -np.inf
    mixed = follow(chain(sgd(lr=rates), start, stages=stages), gradients)
    assert np.isnan(mixed[-1, 1, 3])
    assert np.array_equal(mixed[:, [0, 2]], together[:, [0, 2]])


def test_training_with_small_batches_is_training_with_large_ones():
    layers = ["flatten", {"layer": "dense", "units": "outputs"}]
    shared = {"model__layers": layers, "dtype": "float64", "dataset__train_limit": 64, "shuffle": False}
    small = config(batch_size=8, stages={"accumulate": {"every": 4}}, **shared)
    large = config(batch_size=32, **shared)
    found, expected = (trained(each)[0] for each in (small, large))
    assert (found.steps, expected.steps) == (24, 6)
    for mine, theirs in zip(found.history, expected.history, strict=True):
        assert abs(mine["val/loss"] - theirs["val/loss"]) <= 1e-12 * theirs["val/loss"]
    assert_same_alone([config(seed=seed, stages={"accumulate": {"every": 2}}) for seed in (0, 1)])


@pytest.mark.parametrize("name", ["sam", "lbfgs", "polyak_sgd"])
def test_rules_that_look_at_the_loss_are_refused(name):
    start, _ = recorded(1, 6)
    with pytest.raises(InputError, match=f"stages: accumulate joins several batches, but optimizer {name} uses the"):
        chain(optimizer_class(name)(), start, stages=[stage("accumulate", every=2)])
    chain(optimizer_class(name)(), start, stages=[stage("accumulate", every=1)])


def test_a_value_out_of_range_is_named():
    with pytest.raises(InputError, match="every=0 is out of range: it must be >= 1"):
        stage("accumulate", every=0)
