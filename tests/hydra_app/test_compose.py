"""Jobs composed cheaply are the jobs Hydra composes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.types import RunMode

from framework.config.check import check
from framework.errors import InputError
from framework.hydra_app.compose import Composer, with_values
from framework.hydra_app.composed import plain_data
from framework.hydra_app.in_process import own_hydra

COMBINATIONS = [
    [],
    ["seed=3"],
    ["optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
    ["optimizer.lr=0.1", "optimizer=sgd"],  # groups first, whatever the order
    ["optimizer.lr=0.1", "optimizer.lr=0.2"],
    ["optimizer.lr=1e-3", "epochs=2", "batch_size=16", "shuffle=False", "drop_last=true", "dtype=float64"],
    ["patience=null", "patience=3", "min_delta=0.5", "steps=5"],
    ["patience=3", "patience=null"],
    ["problem=digits_cnn", "model.dropout=0.25", "model.filters=[4,8]", "model.kernel=3"],
    ["model.sizes=[32,16]", "model.activation=tanh"],
    ["model.activation=tanh", "seed=1"],
    ["model.name=other", "seed=1"],
    ["model=autoencoder", "problem=digits_autoencoder"],
    ["problem=diabetes_regression", "optimizer=blog/sgd", "loss=huber", "loss.delta=2"],
    ["stages=[clip_norm]", "stages.clip_norm.max_norm=2.5", "seed=4"],
    ["stages=[clip_norm,ema]"],
    ["schedule=cosine", "schedule.warmup_steps=5"],
    ["metrics=[accuracy]", "tags.note='two words'", "+tags.team=red", "tags.note=other"],
    ["+tags.a=1", "tags.a=2"],
    ["tags={a: b}", "tags.c=d"],
    ["tracking.enabled=true", "tracking={enabled: false}"],
    ["tracking={enabled: false}", "tracking.enabled=true"],
    ["tracking.experiment='a, b = c'", 'tracking.uri="sqlite:///x y.db"'],
    ["dataset=blobs", "problem=blobs_softmax", "dataset.split_seed=7", "dataset.validation=0.25"],
    ["epochs=${batch_size}", "batch_size=4"],
    ["batch_size=4", "epochs=${batch_size}", "seed=${epochs}"],
    ["++seed=9", "tags.a=1", "~tags.a"],
    ["launcher.workers=2", "launcher.block=3", "launcher.memory=1.5", "progress=false", "plan=false"],
]


@pytest.fixture(scope="module")
def hydra(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    with own_hydra() as made:
        yield (
            made,
            made.compose_config(
                "config", [f"hydra.sweep.dir={folder}"], run_mode=RunMode.MULTIRUN, with_log_configuration=False
            ),
        )


@pytest.fixture(scope="module")
def composer(hydra):
    """One for all, as in a sweep: what was composed for one job serves others."""
    return Composer(hydra[0].config_loader, hydra[1])


def composed(composer, overrides):
    (job,) = composer.jobs([overrides], 0)
    return job


def hydras_own(hydra, overrides):
    own = plain_data(hydra[0].config_loader.load_sweep_config(hydra[1], list(overrides)))
    return check(own), own.unresolved


@pytest.mark.parametrize("overrides", COMBINATIONS)
def test_a_composed_job_is_the_one_hydra_composes(hydra, composer, overrides):
    job = composed(composer, overrides)
    expected, stored = hydras_own(hydra, overrides)
    assert job.config.data == expected.data
    assert list(job.config.data) == list(expected.data)
    assert job.unresolved == stored
    assert all(type(job.config.data[key]) is type(expected.data[key]) for key in expected.data)


def test_numbers_need_no_second_composition(hydra, monkeypatch):
    composer = Composer(hydra[0].config_loader, hydra[1])
    composed(composer, ["optimizer=sgd", "seed=0"])
    monkeypatch.setattr(hydra[0].config_loader, "load_sweep_config", None)
    config = composed(composer, ["optimizer=sgd", "seed=7", "optimizer.lr=0.25"]).config
    assert (config.settings.seed, config.optimizer.fields["lr"]) == (7, 0.25)
    with pytest.raises(TypeError):  # what something else is made from does need one
        composed(composer, ["optimizer=sgd", "model.activation=tanh"])


def test_jobs_share_no_section_that_one_could_change(composer):
    first, second = (composed(composer, [f"optimizer.lr={lr}"]).config.data["optimizer"] for lr in (0.1, 0.2))
    assert first is not second
    assert (first["lr"], second["lr"]) == (0.1, 0.2)


def test_jobs_are_numbered_and_have_folders_of_their_own(hydra, composer):
    jobs = composer.jobs([["seed=0"], ["seed=1"]], 5)
    assert [job.number for job in jobs] == [5, 6]
    top = Path(hydra[1].hydra.sweep.dir)
    assert [job.folder for job in jobs] == [top / "5", top / "6"]
    assert jobs[1].overrides == ("seed=1",)


def test_folders_can_be_named_by_overrides(hydra, tmp_path):
    from hydra.core.hydra_config import HydraConfig

    held = HydraConfig.instance().cfg
    sweep = hydra[0].compose_config(
        "config",
        [f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}"],
        run_mode=RunMode.MULTIRUN,
        with_log_configuration=False,
    )
    jobs = Composer(hydra[0].config_loader, sweep).jobs([["seed=1", "epochs=2"]], 3)
    assert jobs[0].folder == tmp_path / "3_epochs=2,seed=1"
    assert HydraConfig.instance().cfg is held


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["optimizer.lr=-1"], "optimizer.lr"),
        (["optimizer.lr=abc"], "optimizer.lr"),
        (["optimizer.lr=nan"], "optimizer.lr"),
        (["seed=1.5"], "seed"),
        (["+optimizer.foo=1"], "optimizer.foo"),
        (["+model.foo=1"], "model.foo"),
        (["+foo=1"], "foo"),
        (["~tracking"], "tracking"),
        (["~optimizer"], "optimizer"),
        (["metrics=accuracy"], "metrics"),
        (["epochs=null"], "budget|epochs"),
    ],
)
def test_wrong_values_are_refused_as_those_of_single_runs(hydra, composer, overrides, said):
    with pytest.raises(InputError, match=said) as own:
        hydras_own(hydra, overrides)
    with pytest.raises(InputError, match=said) as cheap:
        composed(composer, overrides)
    assert str(cheap.value) == str(own.value)


def test_values_are_set_on_a_copy_that_shares_the_rest():
    config = {"a": {"b": 1, "c": {"d": 2}}, "e": {"f": 3}}
    changed = with_values(config, {"a.b": 5})
    assert changed == {"a": {"b": 5, "c": {"d": 2}}, "e": {"f": 3}}
    assert config["a"]["b"] == 1
    assert changed["e"] is config["e"]
    with pytest.raises(InputError, match=r"a\.x\.y"):
        with_values(config, {"a.x.y": 1})
