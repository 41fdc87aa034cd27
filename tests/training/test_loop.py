"""One run and many: the same bits; what a history means; when a run ends; who is told."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from runs import (
    DENSE,
    IMAGES,
    assert_same,
    assert_same_alone,
    changed,
    config,
    data_of,
    same_numbers,
    timeless,
    trained,
)

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.fields import hyper
from framework.base.loss import Loss, as_values
from framework.errors import InputError
from framework.hookspecs import hookimpl
from framework.registry import manager
from framework.registry.manager import find
from framework.training.hooks import hooks
from framework.training.loop import evaluate, train_step
from framework.training.observers import Observer
from framework.training.population import Population
from framework.training.record import EpochMeans

TOO_FAR = {"float32": 1e30, "float64": 1e200}
"""Learning rates whose first step overflows the next forward."""


def ended(outcomes):
    return [outcome.ended for outcome in outcomes]


# The same bits alone and together


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", [DENSE, IMAGES], ids=["dense", "images"])
def test_a_run_has_the_same_bits_alone_first_and_last(layers, dtype):
    shared = {"model__layers": layers, "dtype": dtype}
    chosen = config(seed=5, optimizer__lr=0.02, **shared)
    others = [config(seed=seed, optimizer__lr=lr, **shared) for seed, lr in ((5, 0.3), (7, 0.001))]
    alone = trained(chosen)[0]
    assert_same(alone, trained(chosen, *others)[0])
    assert_same(alone, trained(*others, chosen)[2])
    assert alone.steps == 9  # 75 samples in batches of 32: three a pass, the last of 11
    assert alone.history[0]["train/loss"] > alone.history[-1]["train/loss"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keep", ["last", "best"])
def test_runs_that_leave_early_change_no_bit_of_those_that_stay(keep, dtype):
    rates = ((0, 0.01), (1, TOO_FAR[dtype]), (0, 0.5), (2, 3.0))
    shared = {"optimizer__name": "sgd", "epochs": 8, "patience": 2, "keep": keep, "dtype": dtype}
    outcomes = assert_same_alone([config(seed=seed, optimizer__lr=lr, **shared) for seed, lr in rates])
    assert ended(outcomes) == ["budget", "diverged", "budget", "early stopping"]
    assert [outcome.steps for outcome in outcomes] == [24, 2, 24, 18]


def test_image_models_with_noise_and_running_figures_leave_early_alike():
    rates = ((0, 0.001), (1, 3.0), (0, 0.5), (2, 3.0))
    shared = {"model__layers": IMAGES, "optimizer__name": "sgd", "epochs": 12, "patience": 2}
    outcomes = assert_same_alone([config(seed=seed, optimizer__lr=lr, **shared) for seed, lr in rates])
    assert set(ended(outcomes)) == {"budget", "early stopping"}
    assert len({outcome.steps for outcome in outcomes}) > 2


SCHEDULES = [
    {"name": "reduce_on_plateau", "patience": 0, "gamma": 0.3},
    {"name": "cosine", "warmup_steps": 5},
    {"name": "one_cycle"},
    {"name": "warm_restarts"},
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule["name"])
def test_schedules_keep_the_bits_when_runs_leave(schedule):
    rates = ((0, 0.01), (1, 0.3), (2, 0.9))
    outcomes = assert_same_alone(
        [config(seed=s, optimizer__lr=lr, schedule=schedule, epochs=6, patience=2) for s, lr in rates]
    )
    assert "early stopping" in ended(outcomes)
    assert "budget" in ended(outcomes)
    rows = [outcome.history for outcome in outcomes if outcome.ended == "budget"]
    assert any(row["lr"] != history[0]["lr"] for history in rows for row in history)


STAGES = {
    "clip_norm": {"max_norm": 0.5},
    "clip_value": {"max_value": 0.01},
    "decoupled_weight_decay": {},
    "ema": {},
    "lookahead": {},
    "gradient_noise": {},
    "polyak_average": {},
}


@pytest.mark.parametrize("stage", STAGES)
def test_stages_keep_the_bits_when_runs_leave(stage):
    rates = ((0, 0.01), (1, 0.3), (2, 0.9), (3, TOO_FAR["float32"]))
    outcomes = assert_same_alone(
        [config(seed=s, optimizer__lr=lr, stages={stage: STAGES[stage]}, epochs=6, patience=2) for s, lr in rates]
    )
    assert outcomes[3].diverged
    assert "budget" in ended(outcomes)
    plain = trained(config(seed=0, optimizer__lr=0.01, epochs=6, patience=2))[0]
    assert not same_numbers(timeless(plain.history), timeless(outcomes[0].history))


CARRYING = ["nadam", "radam", "adagrad", "adadelta", "rprop", "asgd", "lamb", "muon", "schedule_free_adamw", "sgd"]


@pytest.mark.parametrize("name", CARRYING)
def test_optimizers_with_all_sorts_of_state_keep_the_bits_when_runs_leave(name):
    fields = [{"name": name, **({"lr": lr} if lr else {})} for lr in (None, None, TOO_FAR["float32"])]
    outcomes = assert_same_alone(
        [config(seed=seed, optimizer=chosen, epochs=5, patience=1) for seed, chosen in enumerate(fields)]
    )
    assert len({outcome.steps for outcome in outcomes}) >= 1


def test_running_figures_of_a_run_that_diverged_are_the_same_too():
    layers = ["flatten", {"layer": "dense", "units": 9}, "batch_norm", "relu", {"layer": "dense", "units": "outputs"}]
    rates = ((0, 1e30), (1, 0.01))
    outcomes = assert_same_alone(
        [config(seed=s, optimizer={"name": "adamw", "lr": lr}, model__layers=layers) for s, lr in rates]
    )
    assert ended(outcomes) == ["diverged", "budget"]
    assert outcomes[0].steps < 3


def test_a_run_that_diverged_is_the_same_however_long_its_neighbours_went_on():
    # Squares overflow long before the numbers themselves: the loss is infinite while the parameters are still finite.
    layers = ["flatten", {"layer": "dense", "units": "outputs"}]
    shared = {
        "dataset": {"name": "diabetes"},
        "model": {"layers": layers},
        "loss": {"name": "mse"},
        "batch_size": 8,
        "epochs": 2,
        "optimizer__name": "sgd",
    }
    outcomes = assert_same_alone([config(optimizer__lr=lr, **shared) for lr in (1e20, 0.01)])
    assert ended(outcomes) == ["diverged", "budget"]
    assert outcomes[0].steps < 10
    assert math.isnan(outcomes[0].metrics["test/loss"])


# What a history says


class Counted(Loss):
    """The mean of the targets, whatever is predicted: its mean over an epoch is known."""

    def forward(self, predictions, targets):
        self._shape = predictions.shape
        values = as_values(targets, predictions)
        return np.broadcast_to(values.mean(axis=(1, 2)), (len(predictions),))

    def backward(self):
        return np.zeros(self._shape, np.float32)


@pytest.fixture
def counted():
    with manager.beside(manager.current()) as widened:
        from framework.registry.autoregister import ImplicitPlugin

        widened.add(manager.Provider("counted", "inline"), lambda: ImplicitPlugin([Counted]))
        yield config(
            dataset={"name": "diabetes", "train_limit": 75, "scaling": "none"}, loss={"name": "counted"}, epochs=2
        )


def test_train_loss_is_the_sample_weighted_mean_of_an_epoch(counted):
    targets = data_of(counted).train.targets
    weighted = trained(counted)[0].history[0]["train/loss"]
    assert weighted == pytest.approx(targets.mean(), rel=1e-6)
    unweighted = np.mean([np.mean(targets[start : start + 32]) for start in (0, 32, 64)])
    assert abs(unweighted - targets.mean()) > 1e-4 * targets.mean()


def test_drop_last_leaves_the_smaller_batch_out(counted):
    counted = changed(counted, shuffle=False)
    targets = data_of(counted).train.targets
    outcome = trained(changed(counted, drop_last=True))[0]
    assert outcome.steps == 4
    assert outcome.history[0]["train/loss"] == pytest.approx(targets[:64].mean(), rel=1e-6)
    assert trained(counted)[0].steps == 6


def test_figures_are_those_of_a_plain_evaluation():
    chosen = config(epochs=1, dtype="float64")
    outcome = trained(chosen)[0]
    data = data_of(chosen)
    raw = data.input_scaling.invert(data.test.inputs)
    scores = outcome.predictor.predict(raw)
    shifted = scores - scores.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(scores)), data.test.targets] - np.log(np.exp(shifted).sum(axis=1))
    assert outcome.metrics["test/loss"] == pytest.approx(-picked.mean(), rel=1e-9)
    assert outcome.metrics["test/accuracy"] == (scores.argmax(axis=1) == data.test.targets).mean()


def test_training_figures_are_taken_in_train_mode():
    layers = ["flatten", {"layer": "dense", "units": "outputs"}, {"layer": "dropout", "rate": 0.9}]
    still = {"name": "sgd", "lr": 1e-30}
    chosen = config(model={"layers": layers}, optimizer=still, epochs=1)
    outcome = trained(chosen)[0]
    population = Population([chosen])
    quiet = evaluate(population, population.data.train)["loss"][0]
    assert abs(outcome.history[0]["train/loss"] - quiet) > 0.1 * quiet


def test_the_population_that_trains_is_the_step_by_step_one():
    chosen = config(epochs=2, seed=3)
    population = Population([chosen])
    step = 0
    means = SimpleNamespace(add=lambda *taken: None)
    for epoch in (1, 2):
        population.model.begin_epoch(epoch)
        for batch in population.batches.epoch(epoch):
            step += 1
            train_step(population, batch, step, means)
    tensors = trained(chosen)[0].predictor.parameters
    assert all(np.array_equal(view[0], tensors[name]) for name, view in population.model.parameters.views.items())


# When a run ends


def test_epochs_and_steps_bound_a_run():
    assert trained(config(epochs=2))[0].steps == 6
    outcome = trained(config(epochs=2, steps=7))[0]
    assert (outcome.steps, outcome.ended) == (7, "budget")
    assert [row["step"] for row in outcome.history] == [3, 6, 7]
    short = trained(config(steps=2))[0]
    assert [(row["epoch"], row["step"]) for row in short.history] == [(1, 2)]


def test_seconds_bound_a_run(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("framework.training.loop.time.monotonic", lambda: float(next(ticks)))
    outcome = trained(config(epochs=None, max_seconds=5.0, kernel="numpy"))[0]
    assert (outcome.steps, outcome.ended) == (5, "budget")  # one look at the clock to start, one a step
    ticks = iter(range(1000))
    assert trained(config(epochs=1, max_seconds=5.0))[0].steps == 3


@pytest.fixture
def validation(monkeypatch):
    """Let tests say what the validation losses are; the figures of other splits stay what they are."""
    given = {}

    def pretend(population, samples):
        figures = evaluate(population, samples)
        if "losses" in given and samples is population.data.validation:
            figures["loss"] = np.full(population.runs, next(given["losses"]))
        return figures

    monkeypatch.setattr("framework.training.loop.evaluate", pretend)

    def run(*losses, **changes):
        given["losses"] = iter(losses)
        return trained(config(epochs=len(losses), **changes))[0]

    return run


def keep_id(how):
    return "-".join(f"{name}-{value}" for name, value in how.items()) or "default"


def test_patience_counts_epochs_since_the_best(validation):
    outcome = validation(5.0, 4.0, 4.5, 4.0, 3.0, patience=2)
    assert (outcome.ended, len(outcome.history), outcome.best_epoch) == ("early stopping", 4, 2)
    outcome = validation(5.0, 4.0, 4.5, 3.0, 3.5, 2.0, patience=2)
    assert (outcome.ended, outcome.best_epoch) == ("budget", 6)


def test_min_delta_decides_when_patience_ends(validation):
    losses = (5.0, 4.75, 4.5, 4.25, 4.0)
    assert validation(*losses, patience=2, min_delta=0.2).ended == "budget"
    assert validation(*losses, patience=2, min_delta=0.25).ended == "budget"  # 4.75 is not lower by more, 4.5 is
    outcome = validation(*losses, patience=2, min_delta=0.6)
    assert (len(outcome.history), outcome.ended) == (3, "early stopping")


@pytest.mark.parametrize("how", [{"keep": "best"}, {"patience": 7}, {"patience": 7, "keep": "best"}], ids=keep_id)
def test_best_is_the_lowest_validation_loss_whatever_min_delta(validation, how):
    outcome = validation(5.0, 4.96, 4.99, min_delta=0.05, **how)
    assert (outcome.best_epoch, outcome.kept_epoch, outcome.metrics["val/loss"]) == (2, 2, 4.96)


@pytest.mark.parametrize("how", [{}, {"keep": "last"}, {"keep": "last", "patience": 2}], ids=keep_id)
def test_the_last_epoch_is_kept_where_it_was_asked_for(validation, how):
    last = trained(config(epochs=3))[0]
    kept = validation(1.0, 2.0, 3.0, **how)
    assert (kept.best_epoch, kept.kept_epoch, kept.metrics["val/loss"]) == (1, 3, 3.0)
    assert kept.metrics["test/loss"] == last.metrics["test/loss"]
    tensors = kept.predictor.parameters
    assert all(np.array_equal(tensors[name], array) for name, array in last.predictor.parameters.items())


def test_a_first_loss_that_is_not_finite_is_not_the_best(validation):
    outcome = validation(math.nan, 4.0, 5.0)
    assert outcome.best_epoch == 2
    assert validation(math.nan, math.inf).best_epoch is None


@pytest.mark.parametrize("how", [{"keep": "best"}, {"patience": 7}])
def test_test_figures_are_those_of_the_best_epoch(validation, how):
    best = trained(config(epochs=2))[0]
    kept = validation(5.0, 1.0, 3.0, 3.0, **how)
    last = validation(5.0, 1.0, 3.0, 3.0)
    assert kept.metrics["test/loss"] == best.metrics["test/loss"] != last.metrics["test/loss"]
    assert kept.metrics["val/loss"] == 1.0
    assert last.metrics["val/loss"] == 3.0
    tensors = kept.predictor.parameters
    assert all(np.array_equal(tensors[name], array) for name, array in best.predictor.parameters.items())
    assert len(kept.history) == 4
    assert last.best_epoch == 2


def test_the_best_running_figures_are_kept_with_the_best_parameters(validation):
    best = trained(config(epochs=2, model__layers=IMAGES))[0]
    kept = validation(5.0, 1.0, 3.0, keep="best", model__layers=IMAGES)
    assert np.array_equal(kept.predictor._arrays["buffers"], best.predictor._arrays["buffers"])
    assert kept.metrics["test/loss"] == best.metrics["test/loss"]


class Blast(ElementwiseOptimizer):
    """Stands still; at step 4 everything becomes infinite."""

    at: float = hyper(4.0, above=0)

    def coefficients(h, t):  # noqa: N805 - plain functions, as authors write them
        return {"push": np.where(t == h.at, np.inf, 0.0)}

    def rule(p, g, *, push):  # noqa: N805
        return p + push


@pytest.fixture
def blast():
    with manager.beside(manager.current()) as widened:
        from framework.registry.autoregister import ImplicitPlugin

        widened.add(manager.Provider("blast", "inline"), lambda: ImplicitPlugin([Blast]))
        yield lambda at: config(optimizer={"name": "blast", "at": float(at)}, epochs=4)


def test_divergence_is_noted_at_the_first_loss_that_is_not_finite(blast):
    first, second, never = outcomes = trained(blast(4), blast(7), blast(1000))
    assert ended(outcomes) == ["diverged", "diverged", "budget"]
    assert first.steps == first.history[-1]["step"] == 5  # the step after the one that blew it up
    assert second.steps == 8
    assert [len(outcome.history) for outcome in outcomes] == [2, 3, 4]
    assert math.isnan(first.history[-1]["val/loss"])
    assert math.isnan(first.history[-1]["train/loss"])
    assert math.isfinite(first.history[0]["val/loss"])
    assert never.steps == 12


def test_nothing_is_trained_on_once_every_run_has_diverged(blast):
    log = Log()
    trained(blast(4), blast(4), observers=watched(log))
    assert [seen[2] for seen in log.seen if seen[0] == "step"] == [1, 2, 3, 4, 5]


def test_parameters_that_blow_up_in_the_last_step_of_an_epoch_count(blast):
    outcome = trained(blast(3))[0]
    assert (outcome.ended, outcome.steps, len(outcome.history)) == ("diverged", 3, 1)


def test_a_diverged_run_with_a_best_epoch_keeps_it(blast):
    chosen = changed(blast(4), keep="best")
    outcome = trained(chosen)[0]
    assert outcome.ended == "diverged"
    assert outcome.best_epoch == 1
    assert math.isfinite(outcome.metrics["test/loss"])
    assert outcome.metrics["val/loss"] == outcome.history[0]["val/loss"]


# Who is told


class Log:
    """A plugin that writes down every lifecycle hook."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def run_started(self, run):
        self.seen.append(("started", run.id))

    @hookimpl
    def step_finished(self, runs, step, losses):
        assert losses.shape == (len(runs),)
        self.seen.append(("step", tuple(run.id for run in runs), step))

    @hookimpl
    def epoch_finished(self, run, epoch, metrics):
        self.seen.append(("epoch", run.id, epoch, metrics["step"]))

    @hookimpl
    def should_stop(self, run, epoch, metrics):
        self.seen.append(("stop?", run.id, epoch))
        return run.id == "1" and metrics["epoch"] == 1

    @hookimpl
    def run_finished(self, run, metrics):
        assert "test/loss" in metrics
        self.seen.append(("finished", run.id))

    @hookimpl
    def run_failed(self, run, error):
        self.seen.append(("failed", run.id, type(error)))


class Asks:
    """Only asks to stop, and never to."""

    @hookimpl
    def should_stop(self, run, epoch, metrics):
        return False


class Raises:
    """Raises at a step."""

    def __init__(self, error, at):
        self.error, self.at = error, at

    @hookimpl
    def step_finished(self, runs, step, losses):
        if step == self.at:
            raise self.error


def watched(*plugins):
    empty = manager.Registry()
    for plugin in plugins:
        empty.manager.register(plugin)
    return hooks(empty)


def test_hooks_are_called_in_order_with_their_arguments():
    log = Log()
    outcomes = trained(config(epochs=2), config(epochs=2, seed=1), observers=watched(log, Asks()))
    both = ("0", "1")
    assert log.seen == [
        ("started", "0"),
        ("started", "1"),
        *(("step", both, step) for step in (1, 2, 3)),
        ("epoch", "0", 1, 3),
        ("stop?", "0", 1),
        ("epoch", "1", 1, 3),
        ("stop?", "1", 1),
        ("finished", "1"),
        *(("step", ("0",), step) for step in (4, 5, 6)),
        ("epoch", "0", 2, 6),
        ("stop?", "0", 2),
        ("finished", "0"),
    ]
    assert ended(outcomes) == ["budget", "stopped"]


def test_being_watched_changes_nothing():
    assert_same(trained(config())[0], trained(config(), observers=watched(Asks()))[0])


def test_hooks_nobody_implements_are_not_called():
    asks = watched(Asks())
    assert [type(observer).step is Observer.step for observer in asks] == [True]
    assert len(watched(Log())) == 2
    nobody = watched()[0]
    assert [nobody._started, nobody._epoch, nobody._stop, nobody._finished, nobody._failed] == [None] * 5


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_an_error_ends_every_run_that_goes_on(error):
    log = Log()
    with pytest.raises(type(error)):
        trained(config(), config(seed=1), observers=watched(log, Raises(error, at=5)))
    assert [seen for seen in log.seen if seen[0] in ("finished", "failed")] == [
        ("finished", "1"),
        ("failed", "0", type(error)),
    ]


def test_what_does_not_fit_together_is_refused_before_anybody_is_told():
    log = Log()
    with pytest.raises(InputError, match="takes probabilities"):
        trained(config(loss={"name": "categorical_cross_entropy"}), observers=watched(log))
    assert log.seen == []


def test_the_optimizer_sees_the_loss_of_its_batch():
    assert find("optimizer", "sam").cls.needs_closure
    outcomes = assert_same_alone([config(optimizer={"name": "sam"}, seed=seed) for seed in (0, 1)])
    assert outcomes[0].history[-1]["train/loss"] < outcomes[0].history[0]["train/loss"]


def test_an_evaluation_within_an_epoch_leaves_the_training_figures_alone():
    population = Population([config(metrics=["accuracy", "top_k"])])
    batches = list(population.batches.epoch(1))[:4]

    def figures(*, evaluated):
        means = EpochMeans(population)
        for step, batch in enumerate(batches, start=1):
            predictions = population.model.forward(batch.inputs)
            means.add(step, population.loss.forward(predictions, batch.targets), predictions, batch)
            if evaluated:
                means._flush()  # as after a million predictions
                evaluate(population, population.data.validation)
        return means.finish()

    plain, disturbed = figures(evaluated=False), figures(evaluated=True)
    assert {name: list(value) for name, value in plain.items()} == {
        name: list(value) for name, value in disturbed.items()
    }
