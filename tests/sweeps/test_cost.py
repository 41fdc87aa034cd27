"""What a population will cost, held against what it does cost."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from runs import IMAGES, config, data_of, trained

from framework.errors import InputError
from framework.sweeps.cost import MANY, Estimate, estimate
from framework.training.observers import Observer

MODELS = {
    "mlp": {
        "dataset": {"name": "digits"},
        "model__layers": [
            "flatten",
            {"layer": "dense", "units": [200, 200], "activation": "relu"},
            {"layer": "dense", "units": "outputs"},
        ],
    },
    "small mlp": {"dataset": {"name": "digits"}},
    "softmax": {"dataset": {"name": "digits"}, "model__layers": ["flatten", {"layer": "dense", "units": "outputs"}]},
    "images": {"dataset": {"name": "digits"}, "model__layers": IMAGES},
    "point": {
        "dataset": {"name": "gradient_noise", "dimensions": 2},
        "model__layers": [{"layer": "point", "units": 2}],
        "loss": {"name": "rosenbrock"},
        "metrics": [],
    },
}

LONG = pytest.mark.long

WIDE = {
    "model__layers": [
        "flatten",
        {"layer": "dense", "units": 2000, "activation": "relu"},
        {"layer": "dense", "units": "outputs"},
    ],
    "batch_size": 4,
}
"""Almost nothing but parameters: batches are small."""


class Leave(Observer):
    """Asks some runs to leave after their first epoch."""

    def __init__(self, count):
        self._ids = {str(number) for number in range(count)}

    def should_stop(self, record):
        return record.run.id in self._ids


def peak_and_estimate(runs, leaving, *, one_seed, changes):
    """Return the bytes of training, and those that were estimated for it, the data in neither."""
    configs = [
        config(seed=0 if one_seed else run, optimizer__lr=0.001 * (run + 1), epochs=2, **changes) for run in range(runs)
    ]
    data = data_of(*configs)
    held = sum(a.nbytes for part in (data.train, data.validation, data.test) for a in (part.inputs, part.targets))
    expected = estimate(configs)
    assert expected.shared >= held
    peak = min(traced_peak(configs, leaving) for _ in range(2))
    return peak, expected.memory(runs) - held


def traced_peak(configs, leaving):
    """Return the bytes of training; CPython sometimes moves its table of strings, which adds megabytes."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        outcomes = trained(*configs, observers=[Leave(leaving)])
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert [outcome.ended for outcome in outcomes] == ["stopped"] * leaving + ["budget"] * (len(configs) - leaving)
    return peak


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@pytest.mark.parametrize("seeds", ["a seed each", pytest.param("one seed", marks=LONG)])
@pytest.mark.parametrize("runs", [pytest.param(1, marks=LONG), 8, pytest.param(32, marks=LONG)])
@pytest.mark.parametrize("model", [pytest.param("mlp", marks=LONG), *sorted(MODELS.keys() - {"mlp"})])
def test_the_peak_is_what_was_estimated(model, runs, seeds, kernel):
    changes = {**MODELS[model], "kernel": kernel}
    peak, expected = peak_and_estimate(runs, 0, one_seed=seeds == "one seed", changes=changes)
    assert expected == pytest.approx(peak, rel=0.35 if runs > MANY else 0.3)  # more runs are extrapolated


@pytest.mark.parametrize("leaving", [pytest.param(1, marks=LONG), 4, pytest.param(7, marks=LONG)])
@pytest.mark.parametrize("model", [*MODELS, "wide"])
def test_runs_that_leave_early_stay_within_the_estimate(model, leaving):
    peak, expected = peak_and_estimate(8, leaving, one_seed=False, changes=MODELS.get(model, WIDE))
    assert peak < 1.25 * expected


def test_what_runs_cost_adds_up():
    cost = Estimate(shared=100, per_run=10, alone=0.5, beside=0.25, steps=4)
    assert (cost.memory(1), cost.memory(3)) == (110, 130)
    assert (cost.seconds(1), cost.seconds(3)) == (2.0, 4.0)
    assert Estimate(0, 0, 0.5, 0.25, None, limit=7.0).seconds(1) == 7.0
    assert Estimate(0, 0, 0.5, 0.25, 4, limit=1.5).seconds(1) == 1.5
    assert Estimate(0, 0, 0.5, 0.25, 4, limit=9.0).seconds(1) == 2.0


def test_an_estimate_leaves_no_trace():
    estimate([config()])
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        estimate([config()])
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_parts_that_do_not_fit_are_said_before_anything_trains():
    with pytest.raises(InputError, match="takes probabilities"):
        estimate([config(loss={"name": "categorical_cross_entropy"})])


def test_budgets_below_a_probe_are_kept():
    assert estimate([config(steps=1)]).steps == 1
    timed = estimate([config(epochs=None, max_seconds=1.0)])
    assert timed.steps is None
    assert timed.seconds(1) == 1.0


@pytest.fixture
def breaking():
    """An optimizer that raises for one learning rate."""
    from framework.base.fields import hyper
    from framework.base.optimizer import Optimizer
    from framework.registry import manager
    from framework.registry.autoregister import ImplicitPlugin

    class Breaking(Optimizer):
        """Raises above 1."""

        lr: float = hyper(0.1, above=0)

        def initial_state(self, parameters):
            return {}

        def step(self, parameters, gradients, state, columns, objective):
            if (columns["lr"] > 1).any():
                raise RuntimeError("too much")
            parameters.flat -= columns["lr"] * gradients.flat

    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("breaking", "inline"), lambda: ImplicitPlugin([Breaking]))
        yield lambda lr: config(optimizer={"name": "breaking", "lr": lr})


def test_a_run_that_raises_is_passed_over(breaking):
    cost = estimate([breaking(2.0), breaking(0.5)])
    assert cost.failed == ""
    assert cost.per_run > 0
    assert not tracemalloc.is_tracing()


def test_where_every_run_raises_the_estimate_says_so(breaking):
    cost = estimate([breaking(2.0), breaking(3.0)])
    assert cost.failed == "RuntimeError: too much"
    assert not tracemalloc.is_tracing()
