"""Batch norm's statistics where averaged parameters are evaluated: recomputed for them, the trained ones untouched."""

from __future__ import annotations

import numpy as np
import pytest
from runs import IMAGES, assert_same_alone, config, data_of, same_numbers, trained

from framework.base.layer import Buffer, Layer
from framework.training.loop import train_step
from framework.training.model import Model
from framework.training.population import Population
from framework.training.record import EpochMeans
from plugins.layers.batch_norm import BatchNorm

HIDDEN = [
    "flatten",
    {"layer": "dense", "units": 6},
    "batch_norm",
    "tanh",
    {"layer": "dense", "units": "outputs"},
]
AVERAGED = {
    "ema": {"stages": {"ema": {"decay": 0.8}}},
    "polyak_average": {"stages": {"polyak_average": {}}},
    "lookahead": {"stages": {"lookahead": {}}},
    "schedule_free_sgd": {"optimizer": {"name": "schedule_free_sgd", "lr": 0.5}},
    "schedule_free_adamw": {"optimizer": {"name": "schedule_free_adamw", "lr": 0.02}},
}


def statistics(x, batch_size, *, drop_last):
    """Return mean and unbiased variance as averages over the batches, each of the same weight."""
    stop = len(x) // batch_size * batch_size if drop_last else len(x)
    batches = [x[at : min(at + batch_size, stop)] for at in range(0, stop, batch_size)]
    return np.mean([b.mean(axis=0) for b in batches], axis=0), np.mean([b.var(axis=0, ddof=1) for b in batches], axis=0)


def losses(predictor, data, batch_size, *, drop_last=False):
    """Return the cross-entropy of validation and test by plain formulas, with recomputed statistics, and these."""
    w = predictor.parameters

    def hidden(samples):
        return samples.inputs.reshape(len(samples), -1) @ w["2_dense/weight"] + w["2_dense/bias"]

    mean, variance = statistics(hidden(data.train), batch_size, drop_last=drop_last)
    found = []
    for samples in (data.validation, data.test):
        normal = (hidden(samples) - mean) / np.sqrt(variance + 1e-5)
        active = np.tanh(w["3_batch_norm/gamma"] * normal + w["3_batch_norm/beta"])
        logits = active @ w["5_dense/weight"] + w["5_dense/bias"]
        chosen = logits[np.arange(len(samples)), samples.targets]
        found.append(float((np.log(np.exp(logits).sum(axis=1)) - chosen).mean()))
    return found, mean, variance


@pytest.mark.parametrize("drop_last", [False, True], ids=["whole", "dropped"])
@pytest.mark.parametrize("how", AVERAGED)
def test_averages_are_evaluated_with_statistics_of_their_own(how, drop_last):
    run = config(dtype="float64", model__layers=HIDDEN, drop_last=drop_last, **AVERAGED[how])
    outcome = trained(run)[0]
    (validation, test), mean, variance = losses(outcome.predictor, data_of(run), 32, drop_last=drop_last)
    assert abs(outcome.history[-1]["val/loss"] - validation) < 1e-12
    assert abs(outcome.metrics["test/loss"] - test) < 1e-12
    assert np.allclose(outcome.predictor._arrays["buffers"], np.concatenate([mean, variance]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("how", ["ema", "polyak_average"])
def test_training_is_the_same_with_and_without_an_average(how):
    run = {"model__layers": IMAGES, "optimizer__lr": 0.05}  # with dropout: the pass has noise of its own
    plain, averaged = trained(config(**run))[0], trained(config(**run, **AVERAGED[how]))[0]
    names = ("train/loss", "train/accuracy")
    figures = [[row[name] for row in outcome.history for name in names] for outcome in (plain, averaged)]
    assert same_numbers(*figures)
    assert plain.metrics["val/loss"] != averaged.metrics["val/loss"]


def test_the_trained_statistics_are_put_back_after_an_evaluation():
    population = Population([config(seed=seed, model__layers=IMAGES, **AVERAGED["ema"]) for seed in (0, 3)])
    means = EpochMeans(population)
    for step, batch in enumerate(population.batches.epoch(1), start=1):
        train_step(population, batch, step, means)
    trained_ones = {name: array.copy() for name, array in population.tensors().items()}
    with population.evaluating(1):
        assert not np.array_equal(population.model.buffers.flat, trained_ones["buffers"])
        assert not np.array_equal(population.model.parameters.flat, trained_ones["parameters"])
    assert all(np.array_equal(array, trained_ones[name]) for name, array in population.tensors().items())


@pytest.mark.parametrize("how", AVERAGED)
def test_statistics_of_a_run_do_not_depend_on_its_neighbours(how):
    shared = {"model__layers": IMAGES, "patience": 1, **AVERAGED[how]}
    assert_same_alone([config(seed=seed, **shared) for seed in (0, 3)])


def test_the_best_average_is_kept_with_its_statistics():
    run = config(dtype="float64", model__layers=HIDDEN, optimizer__lr=0.3, epochs=12, keep="best", **AVERAGED["ema"])
    outcome = trained(run)[0]
    assert outcome.kept_epoch < 12
    (validation, test), *_ = losses(outcome.predictor, data_of(run), 32)
    assert abs(outcome.metrics["val/loss"] - validation) < 1e-12
    assert abs(outcome.metrics["test/loss"] - test) < 1e-12


def test_an_average_of_noisy_parameters_is_better_than_the_last_of_them():
    layers = ["flatten", {"layer": "dense", "units": 32}, "batch_norm", "relu", {"layer": "dense", "units": "outputs"}]
    adam = {"name": "adam", "lr": 0.05}
    run = {"dataset": {"name": "digits"}, "model__layers": layers, "optimizer": adam, "epochs": 8}
    plain, averaged = (trained(config(**run, stages=stages))[0] for stages in ({}, {"ema": {"decay": 0.98}}))
    assert averaged.metrics["test/loss"] < 0.8 * plain.metrics["test/loss"]


class Largest(Layer):
    """Divide by the largest number seen: a buffer that is no average."""

    def buffers(self, shape):
        return {"largest": Buffer((1,))}

    def forward(self, x, *, training):
        if training:
            np.maximum(self.buffer["largest"][:, 0], np.abs(x).max(axis=(1, 2)), out=self.buffer["largest"][:, 0])
        return x / np.maximum(self.buffer["largest"][:, None], 1e-9)

    def backward(self, dy, *, need_dx):
        return dy / np.maximum(self.buffer["largest"][:, None], 1e-9)


def test_buffers_of_other_layers_follow_the_pass_from_their_start():
    model = Model([("largest", Largest()), ("batch_norm", BatchNorm())], (2,), [0, 1], np.float64)
    model.buffers.flat[...] = 1e6
    batches = [np.full((1, 4, 2), value) for value in (1.0, -3.0, 2.0)]
    model.recompute_buffers(batches, 1)
    assert model.buffers.views["1_largest/largest"].tolist() == [[3.0], [3.0]]
    expected = np.mean([1.0, -1.0, 2.0 / 3.0])
    assert np.allclose(model.buffers.views["2_batch_norm/mean"], expected, rtol=1e-15)
