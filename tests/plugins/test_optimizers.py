"""The eight standard optimizers against golden files and plain loops; what holds for every optimizer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chains import (
    PUBLISHED,
    STANDARD,
    Constant,
    Falling,
    chain,
    flags,
    follow,
    optimizer_class,
    recorded,
    relative,
    run,
    with_lr,
)
from places import REFERENCE

from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.registry import manager
from framework.training.update import Update

PROVENANCE = json.loads((REFERENCE / "optimizers_torch.json").read_text())
CASES = {case["name"]: case for case in PROVENANCE["cases"]}
EVERY = (*STANDARD, *PUBLISHED)


@pytest.fixture(scope="module")
def golden():
    with np.load(REFERENCE / "optimizers_torch.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_torch_on_recorded_gradients(name, golden):
    case = CASES[name]
    tensors = [key.removeprefix("start/") for key in golden if key.startswith("start/")]
    parameters = Parameters({tensor: golden[f"start/{tensor}"].shape for tensor in tensors}, 1, np.float64)
    for tensor in tensors:
        parameters.views[tensor][0] = golden[f"start/{tensor}"]
    stages = [manager.find("stage", key).cls(**fields) for key, fields in case["stages"].items()]
    optimizer = optimizer_class(case["optimizer"])(**case["fields"])
    update = Update(optimizer, parameters, parameters.like(), schedule=Constant(), stages=stages)
    for step in range(PROVENANCE["steps"]):
        for tensor in tensors:
            update.gradients.views[tensor][0] = golden[f"gradients/{tensor}"][step]
        update.step(step + 1)
        for tensor in tensors:
            expected = golden[f"{name}/{tensor}"][step]
            error = np.abs(parameters.views[tensor][0] - expected).max() / np.abs(expected).max()
            assert error <= 1e-12, f"{name}, {tensor}, step {step + 1}"


@pytest.mark.parametrize("name", sorted({case["optimizer"] for case in CASES.values()}))
def test_golden_cases_set_every_field(name):
    defaults = optimizer_class(name).defaults()
    moved = {
        field
        for case in CASES.values()
        if case["optimizer"] == name
        for field, value in case["fields"].items()
        if value != defaults[field]
    }
    assert moved == set(defaults)


def test_iterative_is_plain_gradient_descent():
    start, gradients = recorded(1, 6, 100)
    path, p = run("iterative", start, gradients, lr=0.03), start.copy()
    for step, g in enumerate(gradients):
        p = p - 0.03 * g
        assert relative(path[step : step + 1], p[None]) <= 1e-12


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_momentum_is_the_blogs_equation(weight_decay):
    start, gradients = recorded(1, 6, 100)
    path = run("momentum", start, gradients, lr=0.03, momentum=0.8, weight_decay=weight_decay)
    p, v = start.copy(), np.zeros_like(start)
    for step, g in enumerate(gradients):
        v = 0.8 * v - 0.03 * (g + weight_decay * p)
        p = p + v
        assert relative(path[step : step + 1], p[None]) <= 1e-12


def test_sgd_keeps_lr_outside_of_its_memory_and_momentum_inside():
    start, gradients = recorded(1, 6, 30)
    factors = [0.5 ** (step % 4) for step in range(30)]
    outside, inside = start.copy(), start.copy()
    b = v = np.zeros_like(start)
    for factor, g in zip(factors, gradients, strict=True):
        b = 0.9 * b + g
        outside = outside - 0.1 * factor * b
        v = 0.9 * v - 0.1 * factor * g
        inside = inside + v
    sgd = run("sgd", start, gradients, lr=0.1, momentum=0.9, schedule=Falling())[-1]
    momentum = run("momentum", start, gradients, lr=0.1, schedule=Falling())[-1]
    assert relative(sgd, outside) <= 1e-12
    assert relative(momentum, inside) <= 1e-12
    assert relative(sgd, momentum) > 1e-3


@pytest.mark.parametrize("name", with_lr())
def test_schedule_multiplies_lr(name):
    class Half(Constant):
        def factor(self, t, total):
            return np.full_like(t, 0.5)

    start, gradients = recorded(1, 6)
    scheduled = run(name, start, gradients, lr=0.2, schedule=Half())
    assert np.array_equal(scheduled, run(name, start, gradients, lr=0.1))
    assert not np.array_equal(scheduled, run(name, start, gradients, lr=0.2))


@pytest.mark.parametrize("name", ["adam", "adamax", "rmsprop", "adagrad", "adadelta"])
def test_schedule_acts_at_its_own_step(name):
    start, gradients = recorded(1, 6, 3)
    full, falling = run(name, start, gradients, lr=0.1), run(name, start, gradients, lr=0.1, schedule=Falling())
    moves = np.diff(np.concatenate([start[None], full]), axis=0)
    for step, factor in enumerate([1.0, 0.5, 0.25]):
        previous = falling[step - 1] if step else start
        assert relative(falling[step] - previous, factor * moves[step]) <= 1e-10


@pytest.mark.parametrize("name", EVERY)
def test_float32_stays_float32(name):
    start, gradients = recorded(2, 6, dtype=np.float32)
    optimizer = optimizer_class(name)(**flags(name))
    update = chain(optimizer, start)
    path = follow(update, gradients)
    columns = optimizer.table(np.arange(1, 3), np.ones((2, 1, 1)), update.state)
    slots = [optimizer.initial_state(update.parameters).get(slot) for slot in optimizer.slots]
    keywords = {key: rows[0].astype(np.float32) for key, rows in columns.items()} | {
        key: True for key in flags(name) if key != "momentum"
    }
    with np.errstate(all="ignore"):
        new = optimizer.rule(start, gradients[0], *slots, **keywords)
    assert update.parameters.dtype == np.float32
    assert all(held.dtype == np.float32 for key, held in update.state.items() if key.startswith("rule/"))
    assert all(value.dtype == np.float32 for value in (new if isinstance(new, tuple) else (new,)))
    exact = run(name, start.astype(np.float64), gradients.astype(np.float64), **flags(name))
    known = np.isfinite(exact)
    assert np.array_equal(known, np.isfinite(path))
    assert np.allclose(path[known], exact[known], rtol=1e-3, atol=1e-4)


def columns_of(name, runs):
    """Return every hyperparameter of an optimizer, another value for each run, and all its flags."""
    chosen = {}
    for key, field in optimizer_class(name).fields.items():
        if field.column:
            low, high = field.search
            chosen[key] = np.linspace(low + 0.1 * (high - low), high, runs).tolist()
    held = {key: value for key, value in flags(name).items() if key not in chosen}
    return {**chosen, **held, **({"dampening": 0.0} if "nesterov" in held else {})}


def of_run(fields, place):
    return {key: value[place] if isinstance(value, list) else value for key, value in fields.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERY)
def test_a_run_has_the_same_bits_alone_and_in_any_order(name, dtype):
    start, gradients = recorded(3, 7001, 12, dtype=dtype)
    fields = columns_of(name, 3)
    together = run(name, start, gradients, **fields)
    order = [2, 0, 1]
    turned = {key: [value[i] for i in order] if isinstance(value, list) else value for key, value in fields.items()}
    assert np.array_equal(run(name, start[order], gradients[:, order], **turned), together[:, order], equal_nan=True)
    for place in range(3):
        alone = run(name, start[place : place + 1], gradients[:, place : place + 1], **of_run(fields, place))
        assert np.array_equal(alone[:, 0], together[:, place], equal_nan=True)
    if "lr" in fields:
        assert not np.array_equal(
            together[:, 0], run(name, start[:1], gradients[:, :1], **of_run(fields, 2))[:, 0], equal_nan=True
        )


@pytest.mark.parametrize("name", EVERY)
def test_a_diverged_run_leaves_its_neighbours_alone(name):
    start, gradients = recorded(3, 50)
    clean = run(name, start, gradients, **flags(name))
    gradients[5, 1] = np.nan
    gradients[7, 1, :20] = np.inf
    mixed = run(name, start, gradients, **flags(name))
    assert np.isnan(mixed[-1, 1]).all()
    for place in (0, 2):
        assert np.array_equal(mixed[:, place], clean[:, place], equal_nan=True)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_left_as_they_are(name):
    start, gradients = recorded(2, 9)
    before = gradients.copy()
    update = chain(optimizer_class(name)(**flags(name)), start)
    for step, gradient in enumerate(gradients, start=1):
        update.gradients.flat[...] = gradient
        update.step(step)
        assert np.array_equal(update.gradients.flat, before[step - 1])


@pytest.mark.parametrize("name", EVERY)
def test_state_is_allocated_for_set_flags_only(name):
    cls = optimizer_class(name)
    start, _ = recorded(2, 5)
    bare = chain(cls(), start).state
    full = chain(cls(**flags(name)), start).state
    optional = {slot for slot, declared in cls.slots.items() if hasattr(declared, "flag")}
    assert {key.removeprefix("rule/") for key in full if key.startswith("rule/")} == set(cls.slots)
    assert {key.removeprefix("rule/") for key in bare if key.startswith("rule/")} == set(cls.slots) - optional
    assert all(held.shape == (2, 5) for key, held in full.items() if key.startswith("rule/"))


RANGES = [
    ("sgd", "lr", 0.0, "> 0"),
    ("sgd", "momentum", 1.0, "in [0, 1)"),
    ("sgd", "dampening", 1.5, "in [0, 1]"),
    ("iterative", "lr", -1.0, "> 0"),
    ("momentum", "momentum", -0.5, "in [0, 1)"),
    ("rmsprop", "alpha", 1.0, "in [0, 1)"),
    ("rmsprop", "eps", -1e-8, ">= 0"),
    ("adagrad", "initial_accumulator_value", -1.0, ">= 0"),
    ("adam", "beta1", 1.5, "in [0, 1)"),
    ("adam", "lr", float("nan"), "> 0"),
    ("adamax", "beta2", 1.0, "in [0, 1)"),
    ("adadelta", "rho", -0.1, "in [0, 1)"),
    ("blog/sgd", "mr", -1.0, ">= 0"),
]


@pytest.mark.parametrize(("name", "field", "value", "allowed"), RANGES)
def test_a_value_out_of_range_is_named_with_its_range(name, field, value, allowed):
    with pytest.raises(InputError) as caught:
        optimizer_class(name).resolve({field: value}, "optimizer")
    assert str(caught.value) == f"optimizer.{field}={value:g} is out of range: it must be {allowed}"


@pytest.mark.parametrize(
    "fields",
    [{}, {"momentum": 0.9, "dampening": 0.1}, {"momentum": [0.9, 0.0]}, {"momentum": [0.9], "dampening": [0, 1]}],
)
def test_nesterov_needs_momentum_without_dampening_in_every_run(fields):
    with pytest.raises(InputError, match="nesterov=true needs momentum > 0 and dampening=0"):
        optimizer_class("sgd")(nesterov=True, **fields)


@pytest.mark.parametrize(("beta1", "count"), [([0.9, 0.8], 2), ([], 0)])
def test_columns_of_one_population_have_one_length(beta1, count):
    with pytest.raises(InputError, match=f"beta1 has {count} values for 3 runs: give 1 or 3"):
        optimizer_class("adam")(lr=[0.1, 0.2, 0.3], beta1=beta1)


@pytest.mark.parametrize("name", EVERY)
def test_every_hyperparameter_declares_its_range_prior_and_search(name):
    for key, field in optimizer_class(name).fields.items():
        if field.column:
            assert field.above is not None or field.at_least is not None, key
            assert field.prior in ("log", "log 1-x", "linear"), key
            for end in field.search:
                field.check_bounds(end, key)
            assert field.search[0] < field.search[1], key


@pytest.mark.parametrize("name", EVERY)
def test_traits_follow_from_the_fields(name):
    cls = optimizer_class(name)
    assert cls.elementwise
    assert cls.own_step_size == ("lr" not in cls.fields)
    assert bool(cls.warning) == (name in PUBLISHED)
    assert "\n" not in cls.warning
    assert cls.summary().endswith(".")
