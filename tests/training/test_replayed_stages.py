"""Stages that are replayed with the training steps: the same bits as NumPy's, and when NumPy takes the steps."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from runs import assert_same, config, trained

from framework.base.stage import Stage
from framework.hookspecs import hookimpl
from framework.registry import manager
from framework.registry.manager import find
from framework.specs import StageSpec

STAGES = manager.current().names("stage")
EPOCHS = 5
TOGETHER = 3 * EPOCHS - 4
"""The steps of 3 batches per epoch that calls take: the first two of each of two sizes of batch are taken in NumPy."""


def same_as_numpy(stages, **changes):
    """Assert that three runs with different rates and seeds have the same outcomes in both engines."""
    engines = [
        trained(
            *(
                config(seed=seed, optimizer__lr=lr, kernel=kernel, epochs=EPOCHS, stages=stages, **changes)
                for seed, lr in ((5, 0.02), (7, 0.3), (5, 0.001))
            )
        )
        for kernel in ("numpy", "fused")
    ]
    for one, other in zip(*engines, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_numpys_bits(stage, dtype, taken):
    same_as_numpy({stage: {}}, dtype=dtype)
    assert sum(taken) == (TOGETHER if find("stage", stage).cls.replayable else 0)


def test_stages_act_in_their_order_with_the_schedule_of_each_step(taken):
    stages = {"clip_norm": {"max_norm": 0.5}, "trace": {}, "decoupled_weight_decay": {"weight_decay": 0.3}, "ema": {}}
    same_as_numpy(stages, schedule={"name": "cosine"}, dtype="float64")
    assert sum(taken) == TOGETHER


def test_a_diverging_run_keeps_numpys_bits(taken):
    shared = {"epochs": EPOCHS, "stages": {"trace": {}, "ema": {}}}
    engines = [
        trained(*(config(optimizer={"name": "sgd", "lr": lr}, kernel=kernel, **shared) for lr in (0.02, 1e30, 0.3)))
        for kernel in ("numpy", "fused")
    ]
    for one, other in zip(*engines, strict=True):
        assert_same(one, other)
    assert [outcome.ended for outcome in engines[1]] == ["budget", "diverged", "budget"]
    assert taken


class Doubling(Stage):
    """Doubles the gradients; it does not take part."""

    def before(self, parameters, gradients, state, lr):
        gradients.flat *= gradients.dtype.type(2)


class Counting(Stage):
    """Counts in an attribute, which a replay does not see."""

    replayable = True
    count = 0

    def before(self, parameters, gradients, state, lr):
        self.count += 1
        gradients.flat *= gradients.dtype.type(self.count)


class Plain(Stage):
    """Changes the gradients by a plain array, so that no call is recorded."""

    replayable = True

    def before(self, parameters, gradients, state, lr):
        flat = np.asarray(gradients.flat)
        flat *= flat.dtype.type(0.5)


class Replacing(Stage):
    """Replaces the array of its state."""

    replayable = True

    def initial_state(self, parameters):
        return {"last": np.zeros_like(parameters.flat)}

    def before(self, parameters, gradients, state, lr):
        gradients.flat += state["last"]
        state["last"] = gradients.flat * gradients.dtype.type(0.5)


class Deciding(Stage):
    """Decides by a number."""

    replayable = True

    def after(self, parameters, gradients, state, lr):
        if parameters.flat[0, 0] > 0:
            parameters.flat *= parameters.dtype.type(0.5)


@pytest.fixture
def third_party():
    class Plugin:
        @hookimpl
        def register_stages(self):
            for stage in (Doubling, Counting, Plain, Replacing, Deciding):
                yield StageSpec(stage.__name__.lower(), stage)

    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("third", "inline"), Plugin)
        yield


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("doubling", ""),
        ("plain", "differs from NumPy's"),
        ("counting", "attribute count of counting changes"),
        ("replacing", "replaces"),
        ("deciding", "single numbers"),
    ],
    ids=["doubling", "plain", "counting", "replacing", "deciding"],
)
def test_a_stage_that_cannot_be_replayed_keeps_the_steps_in_python(third_party, stage, reason, taken, caplog):
    caplog.set_level(logging.WARNING, "framework")
    same_as_numpy({stage: {}, "ema": {}})
    assert not taken
    lines = [record.getMessage() for record in caplog.records]
    assert [reason in line for line in lines] == ([True] if reason else [])
