"""Gradient evaluations of a run: counted as they happen, and independent of the runs that it trains with."""

from __future__ import annotations

import pytest
from runs import assert_same, assert_same_alone, config, runs_of, trained
from sweeping import SMALL, epochs_of, read_csv, swept

from framework.base.optimizer import Optimizer
from framework.checkpoint.file import load, save
from framework.errors import PluginError
from framework.registry import manager
from framework.registry.autoregister import ImplicitPlugin
from framework.training import loop
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.state import RunState


@pytest.fixture
def gradients(monkeypatch):
    """One entry per evaluation of the gradient by the training loop."""
    calls = []
    write_gradients = loop.write_gradients
    monkeypatch.setattr(loop, "write_gradients", lambda *given: calls.append(1) or write_gradients(*given))
    return calls


RULES = [
    pytest.param({"name": "adam"}, 9, id="adam"),
    pytest.param({"name": "sam"}, 18, id="sam"),
    pytest.param({"name": "sophia", "update_interval": 4}, 9 + 2 * 3, id="sophia"),  # at the steps 1, 5 and 9
    pytest.param({"name": "lbfgs", "max_iter": 3}, None, id="lbfgs"),
    pytest.param({"name": "torch/lbfgs", "max_iter": 3}, None, id="torch", marks=pytest.mark.long),
    pytest.param({"name": "optax/lbfgs"}, None, id="optax", marks=pytest.mark.long),  # JAX compiles for seconds
]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_each_gradient_counts(rule, expected, gradients):
    library = rule["name"].partition("/")[0]
    if library in ("torch", "optax"):
        pytest.importorskip(library)
    (outcome,) = trained(config(optimizer=rule))
    assert outcome.steps == 9
    assert outcome.evaluations == len(gradients)
    assert expected is None or outcome.evaluations == expected
    assert outcome.evaluations > outcome.steps or rule["name"] == "adam"


def test_a_run_that_leaves_early_counts_its_own(gradients):
    rates = (0.01, 1e30, 0.3, 3.0)
    configs = [config(seed=s, optimizer={"name": "sam", "lr": lr}, epochs=6) for s, lr in enumerate(rates)]
    outcomes = assert_same_alone(configs)
    assert [outcome.ended for outcome in outcomes[:2]] == ["budget", "diverged"]
    assert outcomes[1].steps == 2  # within an epoch of three
    assert [outcome.evaluations for outcome in outcomes] == [2 * outcome.steps for outcome in outcomes]
    gradients.clear()
    (alone,) = trained(configs[1])
    assert alone.evaluations == len(gradients)


def test_patience_ends_the_count():
    rules = [{"name": "sophia", "lr": lr} for lr in (0.01, 0.9)]
    outcomes = assert_same_alone([config(seed=s, optimizer=rule, epochs=9, patience=1) for s, rule in enumerate(rules)])
    assert "early stopping" in {outcome.ended for outcome in outcomes}
    for outcome in outcomes:
        assert outcome.evaluations == outcome.steps + 2 * -(-outcome.steps // 10)


class Keep(Observer):
    """Writes the state after the first epoch."""

    def __init__(self, folder):
        self.folder = folder

    def between(self, records, population, step):
        if len(records[0].history) == 1:
            save(self.folder, "x", RunState.of(population, 0, records[0], step, {}))


@pytest.mark.parametrize(("rule", "count"), [("sgd", 9), ("sophia", 11)])
def test_a_continued_run_counts_on(rule, count, tmp_path):
    chosen = config(optimizer={"name": rule})
    (whole,) = trained(chosen, observers=[Keep(tmp_path)])
    (again,) = train([chosen], runs_of([chosen]), [], [load(tmp_path, "x")])
    assert_same(again, whole)
    assert whole.evaluations == count


def test_a_sweep_states_them_after_training_and_from_journals(tmp_path):
    frame = swept(tmp_path / "sweep", *SMALL, "optimizer=sam,sgd")
    assert dict(zip(frame["optimizer"], frame["evaluations"], strict=True)) == {"sam": 18, "sgd": 9}
    columns = list(read_csv(tmp_path / "sweep" / "leaderboard.csv")[0])
    assert columns[columns.index("steps") + 1] == "evaluations"
    recorded = [[row["values"].get("evaluations") for row in epochs_of(tmp_path / "sweep" / job)[:3]] for job in "01"]
    assert recorded == [[6, 12, 18], [None, None, None]]
    again = swept(tmp_path / "sweep", *SMALL, "optimizer=sam,sgd", "resume=true")
    assert list(again["evaluations"]) == list(frame["evaluations"])


class Undeclared(Optimizer):
    """Evaluates the loss again and does not say so."""

    def initial_state(self, parameters):
        return {}

    def step(self, parameters, gradients, state, columns, objective):
        objective.evaluate()


def test_a_rule_that_does_not_declare_its_evaluations_is_named():
    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("undeclared", "inline"), lambda: ImplicitPlugin([Undeclared]))
        with pytest.raises(PluginError, match=r"optimizer undeclared .* declare needs_closure = True"):
            trained(config(optimizer={"name": "undeclared"}))
