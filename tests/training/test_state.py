"""Runs that continue from a state between two epochs have the bits of undisturbed runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from runs import DENSE, IMAGES, assert_same, config, runs_of

from framework.checkpoint.file import load, save
from framework.errors import InputError
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.state import RunState


class Keep(Observer):
    """Keeps the states at the end of one epoch, as they come back from a file."""

    def __init__(self, epoch, folder):
        self._epoch, self._folder = epoch, folder
        self.states = {}

    def between(self, records, population, step):
        for row, record in enumerate(records):
            if len(record.history) == self._epoch:
                save(self._folder, "x", RunState.of(population, row, record, step, {}))
                self.states[record.run.id] = load(self._folder, "x")


def kept(configs, epoch, folder):
    keep = Keep(epoch, folder)
    return train(configs, runs_of(configs), [keep]), keep.states


CASES = [
    pytest.param({}, id="adam"),
    pytest.param(
        {
            "model__layers": IMAGES,
            "stages": {"clip_norm": {}, "gradient_noise": {}, "ema": {}},
            "schedule": {"name": "reduce_on_plateau", "patience": 1},
            "keep": "best",
        },
        id="buffers",
    ),
    pytest.param({"patience": 2, "optimizer__lr": 0.3, "epochs": 9}, id="patience"),
    pytest.param({"optimizer": {"name": "lbfgs"}}, id="lbfgs"),
    pytest.param({"optimizer": {"name": "prodigy"}, "stages": {"accumulate": {"every": 2}}}, id="prodigy"),
    pytest.param({"optimizer": {"name": "schedule_free_adamw"}}, id="schedule_free"),
    pytest.param({"dtype": "float64", "schedule": {"name": "cosine", "warmup_steps": 4}}, id="float64"),
]


@pytest.mark.parametrize("changes", CASES)
def test_a_continued_run_has_the_same_bits_in_any_company(tmp_path, changes):
    configs = [config(seed=seed, **{"epochs": 5, **changes}) for seed in (0, 4, 7)]
    whole, states = kept(configs, 2, tmp_path)
    assert len(states) == 3
    chosen = [configs[place] for place in (2, 0)]
    runs = [runs_of(configs)[place] for place in (2, 0)]
    again = train(chosen, runs, [], [states["2"], states["0"]])
    assert_same(again[0], whole[2])
    assert_same(again[1], whole[0])


def test_the_schedule_has_seen_the_validation_loss_before_a_state_is_taken(tmp_path):
    """The rate is too small for an improvement, so that every epoch counts towards the plateau."""
    plateau = {"name": "reduce_on_plateau", "patience": 1, "threshold": 0.5}
    configs = [config(epochs=7, optimizer={"name": "sgd", "lr": 1e-3}, schedule=plateau)]
    for epoch in (1, 2, 3):
        (whole,), states = kept(configs, epoch, tmp_path)
        assert len({row["lr"] for row in whole.history}) > 2
        (again,) = train(configs, runs_of(configs), [], [states["0"]])
        assert_same(again, whole)


def test_a_continued_run_can_be_continued_again(tmp_path):
    configs = [config(epochs=5, stages={"ema": {}}, keep="best")]
    (whole,), first = kept(configs, 1, tmp_path)
    keep = Keep(3, tmp_path)
    train(configs, runs_of(configs), [keep], [first["0"]])
    (again,) = train(configs, runs_of(configs), [], [keep.states["0"]])
    assert_same(again, whole)


def test_torchs_rules_continue_too(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[torch]'")
    configs = [config(epochs=4, optimizer={"name": "torch/adamw", "lr": 0.01})]
    (whole,), states = kept(configs, 2, tmp_path)
    (again,) = train(configs, runs_of(configs), [], [states["0"]])
    assert_same(again, whole)


def test_the_seconds_used_count_towards_the_time_limit(tmp_path):
    configs = [config(epochs=None, max_seconds=60.0)]
    _, states = kept([config(epochs=2)], 1, tmp_path)
    used = {**states["0"].record, "population_seconds": 59.999}
    (outcome,) = train(configs, runs_of(configs), [], [replace(states["0"], record=used)])
    assert len(outcome.history) < 20


def test_other_data_are_refused(tmp_path):
    configs = [config(epochs=3)]
    _, states = kept(configs, 1, tmp_path)
    other = [config(epochs=3, dataset__split_seed=1)]
    with pytest.raises(InputError, match=r"the data set has the hash .* and the checkpoint was written with"):
        train(other, runs_of(other), [], [states["0"]])


def test_arrays_of_another_rule_or_model_are_refused(tmp_path):
    configs = [config(epochs=3)]
    _, states = kept(configs, 1, tmp_path)
    for other, said in [
        (config(epochs=3, optimizer={"name": "sgd", "momentum": 0.9}), "another version of a rule or stage"),
        (config(epochs=3, model__layers=[*DENSE[:1], DENSE[2]]), "the run needs float32"),
    ]:
        with pytest.raises(InputError, match=said):
            train([other], runs_of([other]), [], [states["0"]])


def test_states_of_different_epochs_do_not_continue_together(tmp_path):
    configs = [config(epochs=4, seed=seed) for seed in (0, 1)]
    _, one = kept(configs, 1, tmp_path)
    _, two = kept(configs, 2, tmp_path)
    with pytest.raises(ValueError, match="different epochs"):
        train(configs, runs_of(configs), [], [one["0"], two["1"]])


def test_a_state_is_a_copy(tmp_path):
    configs = [config(epochs=3)]
    _, states = kept(configs, 1, tmp_path)
    before = {name: array.copy() for name, array in states["0"].arrays.items()}
    train(configs, runs_of(configs), [], [states["0"]])
    for name, array in states["0"].arrays.items():
        assert np.array_equal(array, before[name]), name
