"""With ``evaluate_test=false`` the test split is not evaluated, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import changed, config, same_numbers, timeless, trained
from sweeping import SMALL, read_csv, swept

import framework
from framework.runs.journal import read_journal
from framework.sweeps.grouping import grouped, structure
from framework.sweeps.job import Job
from framework.training import loop
from framework.training.population import Population

QUICK = ("problem=digits_softmax", "dataset.train_limit=75", "epochs=2", "tracking.enabled=false", "progress=false")


@pytest.fixture
def evaluated(monkeypatch):
    """The numbers of samples of each evaluated split."""
    sizes = []
    evaluate = loop.evaluate
    monkeypatch.setattr(
        loop, "evaluate", lambda population, data: sizes.append(len(data)) or evaluate(population, data)
    )
    return sizes


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_rest_of_a_run_has_the_same_bits(keep, evaluated):
    tested = [config(seed=seed, optimizer__lr=0.01 * 10**seed, keep=keep, epochs=4) for seed in (0, 1)]
    untested = [changed(one, evaluate_test=False) for one in tested]
    data = Population(tested).data
    with_test = trained(*tested)
    assert evaluated == [len(data.validation)] * 4 + [len(data.test)]
    evaluated.clear()
    without = trained(*untested)
    assert evaluated == [len(data.validation)] * 4
    for one, other in zip(with_test, without, strict=True):
        assert {name for name in one.metrics if name not in other.metrics} == {"test/loss", "test/accuracy"}
        assert same_numbers({**one.metrics, **other.metrics}, one.metrics)
        assert same_numbers(timeless(one.history), timeless(other.history))
        for name, array in one.predictor.parameters.items():
            assert np.array_equal(array, other.predictor.parameters[name]), name


def test_it_is_part_of_the_identity_and_of_the_structure():
    tested = config()
    untested = changed(tested, evaluate_test=False)
    assert tested.identity != untested.identity
    assert structure(tested) != structure(untested)
    jobs = [Job(number, (), one, {}, Path("/f"), setting="s") for number, one in enumerate((tested, untested))]
    assert [len(group.jobs) for group in grouped(jobs)] == [1, 1]


def test_a_single_run_prints_records_and_loads_two_splits(command, tmp_path):
    code, out, err = command(*QUICK, "evaluate_test=false", "hydra.run.dir=run")
    assert (code, err) == (0, "")
    first_words = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert [word for word in first_words if word in ("train", "val", "test")] == ["train", "val"]
    names = {name for entry in read_journal(tmp_path / "run") for name in entry.content.get("values") or ()}
    assert "kept/val/loss" in names
    assert not [name for name in names if name.startswith("test")]
    result = framework.load(tmp_path / "run")
    assert set(result.metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert ">test<" not in result._repr_html_()
    assert result.predict(np.zeros((1, 64))).shape == (1, 10)


def test_a_sweep_ranks_and_shows_validation_alone(tmp_path):
    frame = swept(tmp_path / "sweep", *SMALL, "evaluate_test=false", "optimizer=adam,sgd", "seed=0,1")
    assert not [name for name in frame.columns if name.startswith("test/")]
    assert "test/" not in repr(frame)
    assert "kept/val/accuracy" in repr(frame)
    (first, *_), heads = frame.by_setting().to_dict("records"), read_csv(tmp_path / "sweep" / "settings.csv")[0]
    assert first["seeds"] == 2
    assert "test/loss" not in heads
