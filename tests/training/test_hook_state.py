"""Plugins keep arrays in checkpoints; those that keep nothing, or are missing, are named when a run continues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import config, runs_of

from framework.checkpoint.file import FILE, load, plugins_of, save
from framework.checkpoint.writing import Checkpoints
from framework.errors import InputError, PluginError
from framework.hookspecs import hookimpl
from framework.registry.manager import Provider, Registry
from framework.training.hooks import afresh, hooks
from framework.training.loop import train
from framework.training.observers import Observer


class Counts:
    """Counts epochs per run."""

    def __init__(self):
        self.epochs = {}

    @hookimpl
    def epoch_finished(self, run, epoch, metrics):
        self.epochs[run.id] = self.epochs.get(run.id, 0) + 1

    @hookimpl
    def run_state(self, run):
        return {"epochs": np.array(self.epochs[run.id]), "seed": np.full(2, bool(run.config["seed"]))}

    @hookimpl
    def restore_run(self, run, state):
        assert state["seed"].tolist() == [bool(run.config["seed"])] * 2
        self.epochs[run.id] = int(state["epochs"])


class Watches:
    """Follows runs and says nothing about state."""

    @hookimpl
    def should_stop(self, run, epoch, metrics):
        return False


class KeepsNothing:
    """Follows runs and says that it keeps nothing."""

    @hookimpl
    def step_finished(self, runs):
        pass

    @hookimpl
    def run_state(self):
        return {}


class SeesEnds:
    """Is called once per run."""

    @hookimpl
    def run_finished(self, run):
        pass


def registry_of(**plugins):
    registry = Registry(strict=True)
    for name, plugin in plugins.items():
        registry.add(Provider(name, "inline"), lambda plugin=plugin: plugin)
    return registry


class Breaks(Observer):
    """Ends the runs after some epochs with an error, so that their checkpoints stay."""

    def __init__(self, epochs):
        self._epochs = epochs

    def between(self, records, population, step):
        if len(records[0].history) == self._epochs:
            raise ArithmeticError("broken off")


def checkpoints_of(configs, folders: list[Path], registry, epochs=2):
    """Train runs for two epochs; their checkpoints are in the folders."""
    watching = hooks(registry)
    runs = runs_of(configs, folders)
    for folder in folders:
        folder.mkdir()
    observers = [*watching, Checkpoints({run.id: one for run, one in zip(runs, configs, strict=True)}, 0, watching)]
    with pytest.raises(ArithmeticError, match="broken off"):
        train(configs, runs, [*observers, Breaks(epochs)])


def test_a_plugins_arrays_come_back_to_their_run_in_any_company(tmp_path):
    configs = [config(seed=seed, epochs=5) for seed in (0, 1, 0)]
    folders = [tmp_path / name for name in "abc"]
    checkpoints_of(configs, folders, registry_of(counts=Counts(), nothing=KeepsNothing(), watches=Watches()))
    states = [load(folder, one.identity) for folder, one in zip(folders, configs, strict=True)]
    assert states[1].hooks.keys() == {"counts", "nothing", "watches"}
    assert {name: array.dtype.kind for name, array in states[1].hooks["counts"].items()} == {"epochs": "i", "seed": "b"}
    assert plugins_of(folders[0]) == list(states[0].hooks)
    counts = Counts()
    train(configs[1:], runs_of(configs)[1:], hooks(registry_of(counts=counts)), states[1:])
    assert counts.epochs == {"1": 5, "2": 5}


def test_a_restored_plugin_is_told_after_the_start(tmp_path):
    checkpoints_of([config(epochs=5)], [tmp_path / "a"], registry_of(counts=Counts()))
    calls = []

    class Told(Counts):
        @hookimpl
        def run_started(self, run):
            calls.append("started")

        @hookimpl
        def restore_run(self, run, state):
            calls.append(int(state["epochs"]))

        @hookimpl
        def epoch_finished(self, run, epoch, metrics):
            calls.append(f"epoch {epoch}")

    chosen = [config(epochs=3)]
    state = load(tmp_path / "a", config(epochs=5).identity)
    train(chosen, runs_of(chosen), hooks(registry_of(counts=Told())), [state])
    assert calls == ["started", 2, "epoch 3"]


def test_who_starts_afresh_is_named_in_one_line_each():
    now = registry_of(counts=Counts(), watches=Watches(), nothing=KeepsNothing(), ends=SeesEnds())
    assert afresh(now, ["counts", "watches", "nothing"]) == [
        "plugin watches keeps no state in checkpoints: it starts afresh in runs that continue (hook run_state; return "
        "{} if there is nothing to keep)"
    ]
    assert afresh(now, ["gone", "nothing", "watches"]) == [
        "plugin gone followed the run until its checkpoint and is not loaded: it is left out",
        "plugin counts was not there when the checkpoint was written: it starts afresh",
        *afresh(now, ["counts", "watches", "nothing"]),
    ]
    assert afresh(registry_of(ends=SeesEnds()), []) == []


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ([1, 2], "must return a mapping of arrays, not "),
        ({"a": object()}, "'a' has the dtype object"),
        ({"a": "text"}, "'a' has the dtype <U4"),
        ({1: 2.0}, "1 has the dtype float64"),
    ],
    ids=["list", "object", "text", "name"],
)
def test_what_is_no_mapping_of_arrays_is_refused_by_the_plugins_name(tmp_path, returned, said):
    class Wrong(Counts):
        @hookimpl
        def run_state(self, run):
            return returned

    (watch, *_) = hooks(registry_of(wrong=Wrong()))
    with pytest.raises(PluginError, match=f"plugin wrong: run_state .*{said}"):
        watch.state(runs_of([config()])[0])


def test_arrays_that_nobody_takes_back_are_refused(tmp_path):
    class Half:
        @hookimpl
        def run_state(self, run):
            return {"a": 1.0}

    (watch, *_) = hooks(registry_of(half=Half()))
    with pytest.raises(PluginError, match="plugin half: run_state returned arrays, and no restore_run"):
        watch.state(runs_of([config()])[0])


def test_the_state_is_a_copy():
    class Shares(Counts):
        array = np.zeros(2)

        @hookimpl
        def run_state(self, run):
            return {"a": self.array}

    (watch, *_) = hooks(registry_of(shares=Shares()))
    held = watch.state(runs_of([config()])[0])["shares"]["a"]
    Shares.array += 1
    assert held.tolist() == [0, 0]


def test_a_changed_array_of_a_plugin_is_damage(tmp_path):
    checkpoints_of([config(epochs=5)], [tmp_path / "a"], registry_of(counts=Counts()))
    state = load(tmp_path / "a", config(epochs=5).identity)
    marked = np.arange(1000, 1064)
    save(tmp_path, "x", type(state)(2, 6, "d", {}, {}, {"counts": {"marked": marked}}))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content.replace(marked.tobytes(), marked[::-1].tobytes()))
    with pytest.raises(InputError, match="is damaged"):
        load(tmp_path, "x")
