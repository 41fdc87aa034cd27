"""Figures of models before their first step."""

from __future__ import annotations

import numpy as np
import pytest
from runs import IMAGES, changed, config, data_of, trained

from framework.config.resolved import RunConfig
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.untrained import untrained

STILL = 1e-60
"""A learning rate that is 0 in float32."""
DENSE_ONLY = ["flatten", {"layer": "dense", "units": "outputs"}]


def quadratic_deep(**changes: object) -> RunConfig:
    return config(
        dataset={"name": "quadratic_deep"},
        model={"name": "point", "layers": [{"layer": "point", "units": "outputs", "start": [1.0]}]},
        loss={"name": "quadratic_deep"},
        optimizer={"name": "sgd"},
        metrics=[],
        batch_size=128,
        drop_last=True,
        dtype="float64",
        **changes,
    )


class Start(Observer):
    """Keeps the parameters before the first step."""

    def started(self, runs, population):
        self.parameters = [population.model.parameters.row(row) for row in range(len(runs))]


def test_a_linear_classifier_by_hand():
    chosen = config(model={"name": "m", "layers": DENSE_ONLY}, seed=3, dtype="float64")
    start, data = Start(), data_of(chosen)
    trained(chosen, observers=[start])
    weight, bias = start.parameters[0]["2_dense/weight"], start.parameters[0]["2_dense/bias"]
    (figures,) = untrained([chosen])
    for name, split in (("val", data.validation), ("test", data.test)):
        losses, right = [], []
        for x, label in zip(split.inputs.reshape(len(split), -1), split.targets, strict=True):
            scores = x @ weight + bias
            losses.append(np.log(np.exp(scores).sum()) - scores[label])
            right.append(scores.argmax() == label)
        assert figures[f"{name}/loss"] == pytest.approx(np.mean(losses), rel=1e-12)
        assert figures[f"{name}/accuracy"] == np.mean(right)
    assert list(figures) == ["val/loss", "val/accuracy", "test/loss", "test/accuracy"]


def test_the_published_loss_at_the_start_of_quadratic_deep():
    (figures,) = untrained([quadratic_deep()])
    assert set(figures) == {"val/loss", "test/loss"}
    assert figures["test/loss"] == pytest.approx(353.4468, abs=5e-5)


def test_runs_of_all_sorts_have_the_figures_of_a_run_that_does_not_move():
    configs = [
        config(seed=1),
        config(seed=2, optimizer={"name": "schedule_free_sgd"}),
        config(seed=1, model__layers=IMAGES),
        config(seed=1, evaluate_test=False),
    ]
    still = [changed(one, optimizer={"name": "sgd", "lr": STILL}, schedule={"name": "constant"}) for one in configs[:2]]
    found = untrained(configs)
    assert found[0] == found[3]
    assert found[0] != found[1]
    for one, figures in zip(still, found, strict=False):
        (outcome,) = trained(one)
        assert {name: outcome.metrics[name] for name in figures} == figures
    assert found[2]["val/loss"] != found[0]["val/loss"]


def test_a_loss_that_overflows_is_returned_as_it_is():
    far = [{"layer": "point", "units": "outputs", "start": [1e300]}]
    (figures,) = untrained([changed(quadratic_deep(), model={"name": "point", "layers": far})])
    assert not np.isfinite(figures["test/loss"])


def test_no_step_is_taken(monkeypatch):
    monkeypatch.delattr("framework.training.update.Update.step")
    monkeypatch.delattr(Population, "settle")
    assert untrained([config()])[0]["val/loss"] > 0
