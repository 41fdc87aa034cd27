"""The checked configuration: immutable, complete, and all that training, recording and planning need."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from runs import IMAGES, config, runs_of

from framework.config.check import remade
from framework.config.settings import NAMED_SECTIONS, ROOT_SECTIONS, Goal, Launching, Settings, Tracking
from framework.errors import InputError
from framework.registry import manager
from framework.runs import provenance
from framework.runs.finished import Finished
from framework.sweeps.cost import estimate
from framework.sweeps.grouping import structure, why_alone
from framework.training.loop import train

MANY = {
    "stages": {"clip_norm": {"max_norm": 2.0}, "ema": {}},
    "schedule": {"name": "cosine", "warmup_steps": 2},
    "metrics": ["accuracy", {"metric": "top_k", "k": 3}],
    "model__layers": IMAGES,
    "tags": {"team": "red"},
    "launcher": {"workers": 3},
}


def test_nothing_of_it_can_be_changed():
    chosen = config(**MANY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen.problem = "other"
    with pytest.raises(AttributeError, match=r"Settings\.seed cannot be changed"):
        chosen.settings.seed = 3
    with pytest.raises(AttributeError, match=r"Launching\.workers cannot be changed"):
        chosen.section(Launching).workers = 1
    for mapping in (chosen.parts, chosen.sections, chosen.data, chosen.optimizer.fields):
        with pytest.raises(TypeError):
            mapping["lr"] = 1.0
    chosen.as_data()["optimizer"]["lr"] = 7.0
    assert chosen.as_data()["optimizer"]["lr"] == 0.01


def test_every_setting_is_in_one_section_and_in_the_plain_data():
    chosen = config(**MANY)
    assert [*chosen.sections] == [*ROOT_SECTIONS, *NAMED_SECTIONS.values()]
    for section in ROOT_SECTIONS:
        assert {name: chosen.data[name] for name in section.fields} == chosen.section(section).data
    for name, section in NAMED_SECTIONS.items():
        assert chosen.data[name] == chosen.section(section).data
    assert chosen.section(Launching).workers == 3
    assert chosen.section(Tracking).enabled is False
    assert chosen.section(Settings) is chosen.settings


def test_plain_data_make_it_again_as_in_a_worker():
    chosen = config(**MANY)
    again = remade(chosen.as_data())
    assert again.as_data() == chosen.as_data()
    assert again.identity == chosen.identity
    assert [layer.fields for layer in again.layers] == [layer.fields for layer in chosen.layers]
    with pytest.raises(TypeError):  # classes of plugin files cannot be sent to another process
        pickle.dumps(chosen)


def test_a_target_is_not_part_of_a_run():
    chosen = config(**MANY)
    aimed = config(**MANY, target=0.9, target_source="a measurement", problem_source="a book")
    assert aimed.section(Goal).data == {
        "target": 0.9,
        "target_source": "a measurement",
        "problem_source": "a book",
    }
    assert chosen.section(Goal).target is None
    assert aimed.identity == chosen.identity
    assert aimed.params == chosen.params
    with pytest.raises(InputError, match=r"target=high is not a number or null"):
        config(**MANY, target="high")


def test_another_seed_is_the_same_run_otherwise():
    chosen = config(**MANY)
    other = chosen.with_seed(5)
    assert (other.settings.seed, other.data["seed"], chosen.settings.seed) == (5, 5, 0)
    assert structure(other) == structure(chosen)
    with pytest.raises(TypeError):
        other.data["seed"] = 6
    assert other.identity == remade({**chosen.as_data(), "seed": 5}).identity != chosen.identity


def test_nothing_downstream_looks_a_name_up(tmp_path):
    """With an empty registry a checked configuration still plans, trains, is tested and described."""
    chosen = config(**MANY, optimizer={"name": "adamw", "lr": 0.01}, epochs=1)
    run = dataclasses.replace(runs_of([chosen])[0], folder=tmp_path)
    with manager.beside(manager.current()):
        manager.install(manager.Registry())
        with pytest.raises(Exception, match="no optimizer is called adamw"):
            manager.find("optimizer", "adamw")
        assert estimate([chosen]).steps == 3
        assert why_alone(chosen) == ""
        (outcome,) = train([chosen], [run])
        finished = Finished.of(outcome, chosen, ["optimizer=adamw"])
        assert finished.directions == {"accuracy": True, "top_3": True}
        assert provenance.tags(chosen, [], tmp_path)["config_hash"] == chosen.identity
    assert outcome.metrics.keys() >= {"test/accuracy", "test/top_3"}
