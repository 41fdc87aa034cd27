"""Runs as one array program: what is shared, what leaves, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from runs import DENSE, IMAGES, config

from framework.errors import InputError
from framework.training.loop import train_step
from framework.training.population import Population
from framework.training.record import EpochMeans


def after(population, epochs):
    step = 0
    for epoch in range(1, epochs + 1):
        population.model.begin_epoch(epoch)
        for batch in population.batches.epoch(epoch):
            step += 1
            train_step(population, batch, step, EpochMeans(population))
    return population


def mixed(count=4, **changes):
    return [config(seed=run % 3, optimizer__lr=0.01 * (run + 1), **changes) for run in range(count)]


def test_every_array_has_the_runs_axis_first():
    population = after(Population(mixed(stages={"ema": {}}, model__layers=IMAGES)), 1)
    assert population.runs == 4
    assert all(array.shape[0] == 4 for array in population.tensors().values())
    assert {"parameters", "buffers"} < population.tensors().keys()
    assert any(name.startswith("update/rule/") for name in population.tensors())
    assert any(name.startswith("update/stage0/") for name in population.tensors())


def test_rows_are_the_runs_in_order():
    population = Population(mixed())
    for row, chosen in enumerate(mixed()):
        alone = Population([chosen])
        assert np.array_equal(population.model.parameters.flat[row], alone.model.parameters.flat[0])
        assert population.update.lr(1)[row] == chosen.optimizer.fields["lr"]


@pytest.mark.parametrize(
    "noisy", [{"stages": {"gradient_noise": {}}}, {"optimizer": {"name": "sophia", "update_interval": 2}}]
)
def test_noise_is_the_seeds_and_the_same_in_any_population(noisy):
    configs = [config(seed=seed, **noisy) for seed in (0, 7, 2)]
    together = after(Population(configs), 2)
    for row, chosen in enumerate(configs):
        alone = after(Population([chosen]), 2)
        for name, array in alone.tensors().items():
            assert np.array_equal(array[0], together.tensors()[name][row]), name
    update = Population(configs).update
    assert list(update.optimizer.seeds) == [0, 7, 2]
    assert all(list(stage.seeds) == [0, 7, 2] for stage, _ in update.stages)


def test_a_copy_stands_where_its_runs_stood():
    whole = after(Population(mixed(model__layers=IMAGES, stages={"ema": {}})), 2)
    before = {name: array.copy() for name, array in whole.tensors().items()}
    some = whole.copy_of([3, 1])
    assert some.configs == [whole.configs[3], whole.configs[1]]
    for name, array in some.tensors().items():
        assert np.array_equal(array, before[name][[3, 1]]), name
    some.model.parameters.flat[...] = 0
    assert all(np.array_equal(array, before[name]) for name, array in whole.tensors().items())


def test_settling_moves_to_the_point_that_is_evaluated():
    population = after(Population(mixed(stages={"ema": {}})), 2)
    point, trained = population.update.evaluation_point().copy(), population.model.parameters.flat.copy()
    population.settle(2)
    assert np.array_equal(population.model.parameters.flat, point)
    assert not np.array_equal(point, trained)
    plain = after(Population(mixed()), 1)
    trained = plain.model.parameters.flat.copy()
    plain.settle(1)
    assert np.array_equal(plain.model.parameters.flat, trained)


def test_the_budget_is_counted_in_steps():
    assert Population([config(epochs=4)]).total == 12
    assert Population([config(epochs=4, drop_last=True)]).total == 8
    assert Population([config(epochs=4, steps=5)]).total == 5
    assert Population([config(epochs=None, max_seconds=1.0)]).total is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer__amsgrad": True}, r"optimizer\.amsgrad differs between runs"),
        ({"dataset__split_seed": 3}, r"dataset\.split_seed differs between runs"),
        ({"model__layers": [*DENSE[:1], {"layer": "dense", "units": 3}, DENSE[2]]}, "differs between runs|shorter"),
    ],
)
def test_structure_must_be_the_same(changes, said):
    with pytest.raises((InputError, ValueError), match=said):
        Population([config(), config(**changes)])


@pytest.mark.parametrize(
    ("layers", "loss", "said"),
    [
        ([*DENSE, "softmax"], "softmax_cross_entropy", "takes logits"),
        (DENSE, "categorical_cross_entropy", "takes probabilities"),
        ([*DENSE, "softmax", "dropout"], "softmax_cross_entropy", "takes logits"),
    ],
)
def test_losses_get_what_they_take(layers, loss, said):
    with pytest.raises(InputError, match=said):
        Population([config(model__layers=layers, loss={"name": loss})])
    assert Population([config(model__layers=[*DENSE, "softmax"], loss={"name": "categorical_cross_entropy"})]).runs == 1


def test_metrics_are_the_tasks_own_or_those_listed():
    assert list(config().metrics_for("classification")) == ["accuracy"]
    assert {"mse", "r2"} <= set(config().metrics_for("regression"))
    listed = config(metrics=["accuracy", {"metric": "top_k", "k": 3}]).metrics_for("classification")
    assert list(listed) == ["accuracy", "top_3"]
    assert listed["top_3"].k == 3
    with pytest.raises(InputError, match="accuracy does not support regression"):
        config(metrics=["accuracy"]).metrics_for("regression")
    with pytest.raises(InputError, match="no metric is called acuracy; did you mean accuracy"):
        config(metrics=["acuracy"])
