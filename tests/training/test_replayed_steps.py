"""Steps that run without returning to Python: the same bits as NumPy's, and when they are not taken."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
from runs import DENSE, IMAGES, assert_same, config, runs_of, trained

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.layer import Layer
from framework.compiler import fused, loops, replay
from framework.compiler.ir import UnfusableError
from framework.hookspecs import hookimpl
from framework.registry import manager
from framework.specs import LayerSpec
from framework.training import passes, together, update
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.state import RunState

RATES = (0.02, 0.3, 0.001)
BUILT_IN = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})


def same_as_numpy(runs=3, seeds=(5, 7, 5), **changes):
    """Assert that runs have the same outcomes in both engines; return the outcomes."""
    engines = [
        trained(
            *(
                config(seed=seeds[run % 3], optimizer__lr=RATES[run % 3], kernel=kernel, **{"epochs": 4, **changes})
                for run in range(runs)
            )
        )
        for kernel in ("numpy", "fused")
    ]
    for one, other in zip(*engines, strict=True):
        assert_same(one, other)
    return engines[1]


MODELS = {
    "dense": {"model__layers": DENSE},
    "images": {"model__layers": IMAGES},
    "shared": {"model__layers": ["tanh", *DENSE], "seeds": (5, 5, 5)},
    "shares": {
        "dataset": {"name": "digits", "train_limit": 75, "reconstruct": True, "scaling": "none"},
        "model__layers": [
            *("flatten", {"layer": "dense", "units": 5}, {"layer": "dense", "units": "outputs"}),
            {"layer": "reshape", "shape": "outputs"},
        ],
        "loss": {"name": "binary_cross_entropy_logits"},
    },
    "regression": {
        "dataset": {"name": "diabetes", "train_limit": 75},
        "model__layers": [{"layer": "dense", "units": 5}, "gelu", {"layer": "dense", "units": 1}],
        "loss": {"name": "mse"},
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("model", MODELS)
def test_the_bits_are_numpys(model, runs, dtype, taken):
    outcomes = same_as_numpy(runs, dtype=dtype, **MODELS[model])
    assert sum(taken) == 8  # of 12: the first two batches of each size are computed in NumPy
    assert outcomes[0].history[0]["train/loss"] > outcomes[0].history[-1]["train/loss"]


def test_many_runs_have_numpys_bits(taken):
    same_as_numpy(32, model__layers=[*IMAGES[:-1], {"layer": "dense", "units": "outputs"}], epochs=3)
    assert taken


def test_a_diverging_run_has_numpys_bits_and_disturbs_no_other(taken):
    rates = (0.02, 1e30, 0.3)
    engines = [
        trained(*(config(optimizer={"name": "sgd", "lr": lr}, epochs=5, kernel=kernel) for lr in rates))
        for kernel in ("numpy", "fused")
    ]
    for one, other in zip(*engines, strict=True):
        assert_same(one, other)
    assert [outcome.ended for outcome in engines[1]] == ["budget", "diverged", "budget"]
    assert taken


def test_a_run_that_diverges_in_a_replayed_step_ends_at_the_same_step():
    shared = {
        "dataset": {"name": "diabetes", "train_limit": 240},
        "model__layers": [{"layer": "dense", "units": 1}],
        "loss": {"name": "mse"},
        "batch_size": 8,
        "epochs": 2,
    }
    engines = [
        trained(*(config(optimizer={"name": "sgd", "lr": lr}, kernel=kernel, **shared) for lr in (3.0, 0.01)))
        for kernel in ("numpy", "fused")
    ]
    for one, other in zip(*engines, strict=True):
        assert_same(one, other)
    assert [outcome.ended for outcome in engines[1]] == ["diverged", "budget"]
    assert 5 < engines[1][0].steps < 30


@pytest.mark.parametrize("optimizer", ["sam", "lbfgs", "muon"])
def test_other_optimizers_step_in_python_after_replayed_passes(optimizer, taken):
    same_as_numpy(2, optimizer={"name": optimizer})
    assert taken == []


@pytest.fixture
def replayed(monkeypatch):
    """Return the list of the numbers of steps that are replayed, together or one by one."""
    counts = []
    original = replay.Replay.run

    def run(self, count=1, row=None, parts=1):
        counts.append(count)
        original(self, count, row, parts)

    monkeypatch.setattr(replay.Replay, "run", run)
    return counts


@pytest.mark.parametrize(
    "stages", [{"accumulate": {}}, {"clip_norm": {"max_norm": 0.5}, "accumulate": {}, "ema": {}}], ids="-".join
)
def test_stages_act_in_python_after_replayed_passes(stages, taken, replayed):
    same_as_numpy(3, stages=stages, model__layers=IMAGES)
    assert taken == []
    assert sum(replayed) == 10  # of 12: the first batch of each size is computed in NumPy alone


@pytest.mark.parametrize("schedule", BUILT_IN.names("schedule"))
def test_schedules_change_the_rates_of_replayed_steps(schedule, taken):
    same_as_numpy(3, schedule={"name": schedule}, dataset={"name": "digits", "train_limit": 75})
    assert sum(taken) == 8


def compiled_rules():
    """Yield the names of the elementwise rules that have a learning rate and are compiled."""
    for name in BUILT_IN.names("optimizer"):
        cls = BUILT_IN.find("optimizer", name).cls
        if issubclass(cls, ElementwiseOptimizer) and cls.exact and "lr" in cls.fields:
            yield name


@pytest.mark.parametrize("optimizer", list(compiled_rules()))
def test_each_run_of_a_population_has_its_own_rate(optimizer, replayed):
    same_as_numpy(3, optimizer={"name": optimizer})
    assert sum(replayed) == 10


@pytest.mark.parametrize("stages", [{}, {"ema": {}, "clip_norm": {}}], ids=["plain", "stages"])
@pytest.mark.parametrize(("first", "then"), [("numpy", "fused"), ("fused", "numpy"), ("fused", "fused")])
def test_either_engine_continues_what_the_other_began(first, then, stages, replayed):
    class Keep(Observer):
        def between(self, records, population, step):
            if len(records[0].history) == 3:
                states.extend(
                    copy.deepcopy(RunState.of(population, row, record, step, {})) for row, record in enumerate(records)
                )

    states = []
    begun, continued = (
        [
            config(seed=seed, optimizer__lr=lr, model__layers=IMAGES, epochs=7, stages=stages, kernel=kernel)
            for seed, lr in zip((5, 7, 5), RATES, strict=True)
        ]
        for kernel in (first, then)
    )
    whole = trained(*begun, observers=[Keep()])
    count = len(replayed)
    for one, other in zip(whole, train(continued, runs_of(continued), [], states), strict=True):
        assert_same(one, other)
    assert (count > 0, len(replayed) > count) == (first == "fused", then == "fused")


def test_a_continued_run_has_the_same_bits(taken):
    class Keep(Observer):
        def between(self, records, population, step):
            if len(records[0].history) == 3:
                states.append(copy.deepcopy(RunState.of(population, 0, records[0], step, {})))

    states = []
    shared = {"model__layers": IMAGES, "epochs": 7, "stages": {"trace": {}, "ema": {}}}
    chosen = config(**shared, kernel="fused")
    whole = trained(chosen, observers=[Keep()])[0]
    assert_same(whole, train([chosen], runs_of([chosen]), [], states)[0])
    assert_same(whole, trained(config(**shared, kernel="numpy"))[0])


# Layers of third parties


class Doubled(Layer):
    """y = 2 x, without a word on replays."""

    def forward(self, x, *, training):
        return x * 2.0

    def backward(self, dy, *, need_dx):
        return dy * 2.0 if need_dx else None


class Escaping(Doubled):
    """Declares that it can be replayed, and computes with arrays that are not recorded."""

    replayable = True

    def forward(self, x, *, training):
        return np.asarray(x) * 2.0


class Deciding(Doubled):
    """Declares that it can be replayed, and decides by a number."""

    replayable = True

    def forward(self, x, *, training):
        return x * (2.0 if float(x.max()) > -1 else 3.0)


class Broken(Doubled):
    """Declares that it can be replayed, and works with plain arrays only."""

    replayable = True

    def forward(self, x, *, training):
        if type(x) is not np.ndarray:
            raise TypeError("a plain array, please")
        return x * 2.0


@pytest.fixture
def third_party():
    class Plugin:
        @hookimpl
        def register_layers(self):
            for cls in (Doubled, Escaping, Deciding, Broken):
                yield LayerSpec(cls.__name__.lower(), cls)

    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("third", "inline"), Plugin)
        yield


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("doubled", ""),
        ("escaping", "differs from NumPy's"),
        ("deciding", "uses numpy.maximum.reduce"),
        ("broken", "TypeError: a plain array, please"),
    ],
)
def test_a_layer_that_cannot_be_replayed_keeps_the_model_in_numpy(third_party, layer, reason, taken, caplog):
    layers = ["flatten", {"layer": "dense", "units": 7}, layer, {"layer": "dropout", "rate": 0.3}, "batch_norm"]
    with caplog.at_level(logging.WARNING, "framework"):
        same_as_numpy(2, model__layers=[*layers, {"layer": "dense", "units": "outputs"}])
    assert taken == []
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bool(reason)
    assert all(reason in line for line in lines)


@pytest.mark.parametrize("lacking", ["compiler", "layout"])
def test_without_a_compiler_or_a_known_layout_numpy_trains(lacking, taken, monkeypatch, caplog):
    def missing(*_):
        raise UnfusableError("llvmlite cannot be imported")

    if lacking == "compiler":
        monkeypatch.setattr(replay, "load", missing)
    else:
        loops.inner_loop.cache_clear()
        monkeypatch.setattr(loops, "CHARACTERS", loops.CHARACTERS[::-1])
    same_as_numpy(1)
    loops.inner_loop.cache_clear()
    assert taken == []
    assert len([record for record in caplog.records if "steps run in NumPy" in record.getMessage()]) == 1


# When steps are taken together


def test_an_observer_of_steps_sees_each_step(taken):
    class Steps(Observer):
        def step(self, runs, step, losses):
            seen.append((step, losses.copy()))

    seen, others = [], []
    chosen = config(epochs=4, kernel="fused")
    outcome = trained(chosen, observers=[Steps()])[0]
    assert [step for step, _ in seen] == list(range(1, 13))
    assert taken == []
    assert_same(outcome, trained(chosen)[0])
    seen, others = others, seen
    trained(config(epochs=4, kernel="numpy"), observers=[Steps()])
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(seen, others, strict=True))


def test_an_observer_that_needs_no_single_step_sees_the_last_of_several(taken):
    class Progress(Observer):
        every_step = False

        def step(self, runs, step, losses):
            seen.append((step, float(losses[0])))

    class Steps(Observer):
        def step(self, runs, step, losses):
            each[step] = float(losses[0])

    seen, each = [], {}
    chosen = config(dataset={"name": "digits", "train_limit": 320}, epochs=4, kernel="fused")
    trained(chosen, observers=[Progress()])
    assert sum(taken) > len(taken)
    trained(chosen, observers=[Steps()])
    assert len(seen) < len(each) == 40
    assert all(each[step] == loss for step, loss in seen)
    assert seen[-1][0] == 40


def test_short_runs_stay_in_numpy_by_default_and_long_ones_do_not(taken):
    data = {"name": "digits", "train_limit": 75}
    trained(config(dataset=data, epochs=4))
    assert taken == []
    trained(config(dataset=data, steps=400, epochs=None))
    assert sum(taken) > 300


@pytest.mark.parametrize(("most", "together"), [(10**9, True), (1, False)], ids=["few", "many"])
def test_several_threads_take_steps_of_the_rule_for_many_parameters_only(most, together, taken, monkeypatch):
    monkeypatch.setattr(fused, "SHARED_FROM", 1)
    monkeypatch.setattr(update, "SHARED_FROM", most)
    same_as_numpy(3, threads=2)
    assert sum(taken) == (8 if together else 0)


def test_calls_are_short(taken, monkeypatch):
    """Each step seems to take 0.03 seconds; signals and ``max_seconds`` are looked at between calls."""
    now = [0.0]
    original = replay.Replay.run

    def run(self, count=1, row=None, parts=1):
        now[0] += 0.03 * count
        original(self, count, row, parts)

    monkeypatch.setattr(passes.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(replay.Replay, "run", run)
    trained(config(dataset={"name": "digits", "train_limit": 960}, epochs=2, kernel="fused"))
    assert len(taken) > 40
    assert max(taken) * 0.03 <= 0.2


def test_the_clock_is_looked_at_between_calls(taken, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("framework.training.loop.time.monotonic", lambda: now[0])
    original = together.Together.take

    def take(self, order, number, step, count):
        now[0] += 1
        return original(self, order, number, step, count)

    monkeypatch.setattr(together.Together, "take", take)
    data = {"name": "digits", "train_limit": 75}
    outcome = trained(config(dataset=data, epochs=None, max_seconds=5.0, kernel="fused"))[0]
    assert outcome.ended == "budget"
    assert len(taken) == 5


@pytest.mark.parametrize(("runs", "calls"), [(1, [1, 1]), (3, [3] * 10)], ids=["alone", "population"])
def test_a_step_that_lasts_too_long_is_divided_by_runs(runs, calls, monkeypatch):
    """Each step seems to take 0.3 seconds; NumPy computes a single run's, and returns to Python between its calls."""
    now, parts_of_steps = [0.0], []
    original = replay.Replay.run

    def run(self, count=1, row=None, parts=1):
        now[0] += 0.3 * count
        parts_of_steps.append(parts)
        original(self, count, row, parts)

    monkeypatch.setattr(passes.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(replay.Replay, "run", run)
    same_as_numpy(runs)
    assert parts_of_steps == calls  # of one run, only those that are compared
