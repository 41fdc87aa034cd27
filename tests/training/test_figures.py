"""The names of a run's figures: metrics that measure differently have different names, and equal names are refused."""

from __future__ import annotations

import numpy as np
import pytest
from runs import config, trained

from framework.errors import InputError
from framework.registry import manager
from plugins.metrics import mse
from plugins.metrics.accuracy import Accuracy

TWO = [{"metric": "top_k", "k": 1}, {"metric": "top_k", "k": 2}]


def test_two_metrics_of_one_class_are_both_recorded():
    outcome = trained(config(metrics=["accuracy", *TWO]))[0]
    splits = {name.partition("/")[0] for name in outcome.metrics}
    for split in splits:
        assert outcome.metrics[f"{split}/top_1"] <= outcome.metrics[f"{split}/top_2"]
    assert outcome.metrics["test/top_1"] == outcome.metrics["test/accuracy"]
    assert {name.partition("/")[2] for name in outcome.metrics} == {"loss", "accuracy", "top_1", "top_2"}


def test_names_have_the_fields_that_decide_what_is_measured():
    listed = [*TWO, "top_k", "accuracy", {"metric": "accuracy", "threshold": 0.3}]
    named = config(metrics=listed).metrics_for("classification")
    assert list(named) == ["top_1", "top_2", "top_5", "accuracy", "accuracy_0.3"]


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        pytest.param(["accuracy", "accuracy"], "accuracy and accuracy are both named accuracy", id="twice"),
        pytest.param([TWO[1], TWO[1]], "top_k k=2 and top_k k=2 are both named top_2", id="fields"),
        pytest.param(["top_k", {"metric": "top_k", "k": 5}], "top_k and top_k k=5 are both named top_5", id="default"),
    ],
)
def test_equal_names_are_refused(listed, words):
    with pytest.raises(InputError, match=f"metrics: {words}: remove one of them"):
        config(metrics=listed).metrics_for("classification")


class Median(mse.MeanSquaredError):
    """A metric of a third party."""

    shown_for = ()
    called = "median error"

    def name(self):
        return self.called


@pytest.fixture
def median():
    """Register `Median` for a while."""
    manager.install(manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"}))
    provider = manager.Provider("third", "inline")
    manager.current().entries["metric", "median"] = manager.Registered("metric", "median", Median, provider)
    yield Median
    manager.install(None)


def test_a_name_of_ones_own_is_used_and_must_be_one_that_stores_take(median, monkeypatch):
    assert list(config(metrics=["median", "mse"]).metrics_for("regression")) == ["median error", "mse"]
    for bad in ("loss", "", "a:b", "grün", None):
        monkeypatch.setattr(median, "called", bad)
        with pytest.raises(InputError, match=r"metrics: name\(\) of median returns"):
            config(metrics=["median"]).metrics_for("regression")
    monkeypatch.setattr(median, "called", "mse")
    with pytest.raises(InputError, match="median and mse are both named mse"):
        config(metrics=["median", "mse"]).metrics_for("regression")


def test_the_direction_of_each_figure_is_known_without_the_task(median):
    assert config(metrics=None).directions == {"accuracy": True, "mse": False, "r2": True, "rmse_units": False}
    assert config(metrics=["median", "r2"]).directions == {"median error": False, "r2": True}
    assert config(metrics=TWO).directions == {"top_1": True, "top_2": True}


def test_a_threshold_is_named_to_the_last_digit():
    assert Accuracy(threshold=1 / 3).name() == f"accuracy_{1 / 3!r}"
    assert Accuracy(threshold=np.float64(0.25)).name() == "accuracy_0.25"
