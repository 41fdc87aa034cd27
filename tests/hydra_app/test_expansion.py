"""Words of a sweep that stand for several values: ``search:N`` and sets of problems."""

from __future__ import annotations

import pytest
from hydra.types import RunMode

from framework.base.fields import hyper
from framework.hydra_app.compose import Composer
from framework.hydra_app.in_process import own_hydra
from framework.hydra_app.splitting import split
from framework.registry.manager import find


@pytest.fixture
def jobs_of_command(tmp_path_factory):
    """Return a function that composes the jobs of the arguments after ``-m``."""
    folder = tmp_path_factory.mktemp("sweep")
    with own_hydra() as hydra:
        words = [f"hydra.sweep.dir={folder}"]
        config = hydra.compose_config("config", words, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        composer = Composer(hydra.config_loader, config)
        yield lambda *arguments: composer.jobs(composer.searched(split(arguments)), 0)


def values(name, n, field="lr"):
    spec = find("optimizer", name).cls.fields[field]
    return [spec.at(i / (n - 1)) for i in range(n)]


def test_values_follow_the_prior():
    log = hyper(1.0, prior="log", search=(1e-4, 1e-1))
    near_one = hyper(0.9, prior="log 1-x", search=(0.9, 0.9999))
    linear = hyper(0.0, prior="linear", search=(0.0, 0.8))
    assert [log.at(i / 3) for i in range(4)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert [near_one.at(i / 3) for i in range(4)] == pytest.approx([0.9, 0.99, 0.999, 0.9999])
    assert [linear.at(i / 4) for i in range(5)] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert (log.at(0), log.at(1)) == log.search
    with pytest.raises(ValueError, match="no range"):
        hyper(1.0).at(0.5)


@pytest.mark.parametrize("word", ["optimizer.lr=search:3", "optimizer.lr=0.3,search:3"], ids=["alone", "among"])
def test_each_optimizer_has_its_own_range(jobs_of_command, word):
    jobs = jobs_of_command("optimizer=adam,lion", word)
    for name in ("adam", "lion"):
        rates = {job.config.optimizer.fields["lr"] for job in jobs if job.config.optimizer.name == name}
        own = [float(f"{rate:.4g}") for rate in values(name, 3)]
        assert rates == {*own, *([0.3] if "," in word else [])}


def test_two_ranges_form_a_grid(jobs_of_command):
    jobs = jobs_of_command("optimizer.lr=search:2", "optimizer.beta1=search:3", "seed=0,1")
    pairs = {(job.config.optimizer.fields["lr"], job.config.optimizer.fields["beta1"]) for job in jobs}
    assert len(jobs) == 12
    assert len(pairs) == 6


def test_a_stage_has_ranges_too(jobs_of_command):
    jobs = jobs_of_command("stages=[clip_norm]", "stages.clip_norm.max_norm=search:2")
    assert len({part.fields["max_norm"] for job in jobs for part in job.config.stages}) == 2


def test_sets_join_other_problems(jobs_of_command):
    jobs = jobs_of_command("problem=iris_mlp,set/smoke,blobs_softmax")
    assert [job.config.problem for job in jobs] == ["iris_mlp", "moons_mlp", "rosenbrock", "blobs_softmax"]


@pytest.mark.parametrize("name", ["smoke", "small", "functions", "full"])
def test_the_problems_of_sets_exist(name):
    with own_hydra() as hydra:
        known = hydra.config_loader.get_group_options("problem")
        (words,) = zip(*split([f"problem=set/{name}"]), strict=True)
    listed = [word.removeprefix("problem=") for word in words]
    assert len(listed) == len(set(listed)) > 2
    assert set(listed) <= set(known)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-m", "optimizer.lr=search:x"], "optimizer.lr=search:x: write search:N"),
        (["-m", "optimizer.lr=search:0"], "optimizer.lr=search:0: write search:N"),
        (["-m", "epochs=search:3"], "epochs=search:3: epochs declares no range"),
        (["-m", "problem=set/smok,iris_mlp"], "problem=set/smok: there is no such set; did you mean set/smoke"),
        (["optimizer.lr=search:3"], "add -m"),
        (["problem=set/smoke"], "add -m"),
    ],
    ids=["word", "none", "undeclared", "unknown", "single", "single_set"],
)
def test_wrong_words(command, tmp_path, words, expected):
    code, out, err = command(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert expected in err
    assert list(tmp_path.iterdir()) == []
