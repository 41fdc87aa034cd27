"""Replayed calls have NumPy's bits: every operation that is recorded, on numbers that are chosen to differ."""

from __future__ import annotations

import numpy as np
import pytest

from framework.base.numerics import same_bits
from framework.compiler import lowering, reductions
from framework.compiler.ir import UnfusableError
from framework.compiler.recording import Recorder
from framework.compiler.replay import Replay

RUNS, BATCH, WIDTH = 3, 7, 19
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, 88.0, -104.0, 3e38)


def numbers(shape, dtype, key):
    """Return normally distributed numbers, a third of them replaced by special ones."""
    rng = np.random.default_rng(key)
    drawn = rng.standard_normal(shape)
    places = rng.random(shape) < 1 / 3
    drawn[places] = rng.choice(SPECIAL, places.sum())
    return drawn.astype(dtype)


def replayed(function, inputs, later, runs=RUNS):
    """Record ``function`` on ``inputs``, and return what a replay on ``later`` computes."""
    recorder = Recorder()
    held = [each.copy() for each in inputs]
    with np.errstate(all="ignore"):
        made = function(*(recorder.bound(each) for each in held))
        result = np.empty(made.shape, made.dtype)
        recorder.copy(recorder.bound(result), made)
    replay = Replay(recorder, runs)
    found = np.empty_like(result)
    for own, array in zip([*held, result], [*later, found], strict=True):
        replay.bind(own, array)
    replay.run()
    return found, replay


def row(x):
    return x[:, :1, :]


def column(x):
    return x[:, :, :1]


OPERATIONS = {
    "arithmetic": lambda x, y: (x + row(y)) * column(y) - y / 3 + 1.5 / (x - 2.0),
    "negative": lambda x, y: -np.abs(x) + np.sqrt(np.square(y)),
    "exp": lambda x, y: np.exp(x) + np.log(np.abs(y)) + np.tanh(x) + np.expm1(y) + np.log1p(np.abs(x)),
    "maximum": lambda x, y: np.maximum(x, y) * np.minimum(x, row(y)) + np.maximum(x, 0) + np.minimum(column(x), y),
    "masks": lambda x, y: x * (x > 0) + y * ((x >= y) & (y < 1)) + x * ((x == y) ^ (x <= column(y))),
    "rows": lambda x, y: (
        x * (x > column(y)) + y * (row(x) >= y) + x * (x < column(x)) + y * (column(y) == x) + y * (y <= row(x))
    ),
    "row arithmetic": lambda x, y: (x + column(y)) / row(x) - column(x) * (y - row(y)) + column(x) / y,
    "row extremes": lambda x, y: np.maximum(x, column(y)) * np.minimum(row(x), y) + np.maximum(row(y), x),
    "row logic": lambda x, y: x * ((x > y) & (x > 0)[:, :1]) + y * ((y > 1) | (x > y)[:, :1]) + x * ~(x > 0),
    "where": lambda x, y: np.where(x > y, x, 2.0) + np.where(y != y, 0.5, y),
    "last": lambda x, y: x - np.add.reduce(y, axis=2, keepdims=True) + np.maximum.reduce(x, axis=2)[:, :, None],
    "middle": lambda x, y: x - np.add.reduce(y, axis=1, keepdims=True) + np.minimum.reduce(x, axis=1)[:, None],
    "mean": lambda x, y: x - y.mean(axis=2, keepdims=True) * x.mean(axis=1, keepdims=True),
    "product": lambda x, y: np.matmul(np.matmul(x, y.swapaxes(1, 2)), np.clip(x, -1, 1)),
    "strided": lambda x, y: x[:, ::2, 1:12:3] * y[:, 1::2, :4].sum(axis=1)[:, None],
    "copies": lambda x, y: np.tile(x[:, 0], 2).reshape(len(x), 2, -1) + np.stack([y[:, 1], x[:, 2]], axis=1),
    "powers": lambda x, y: x**2 + np.abs(y) ** 3 + np.abs(x) ** 0.5,
    "masked": lambda x, y: np.multiply(x, y, out=np.zeros_like(x), where=y > 0),
    "cast": lambda x, y: (x > y).astype(x.dtype) + np.multiply(x > 0, 3.0, dtype=x.dtype),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_replay_has_numpys_bits(operation, dtype):
    function, shape = OPERATIONS[operation], (RUNS, BATCH, WIDTH)
    first = [numbers(shape, dtype, key) for key in (1, 2)]
    for key in (3, 5):
        later = [numbers(shape, dtype, key + side) for side in (0, 1)]
        found, replay = replayed(function, first, later)
        assert same_bits(found, function(*later))
        assert replay.divided


def rows_of(length, dtype, key):
    """Return rows of normally distributed numbers, of zeros of either sign alone and as extremes, and with NaN."""
    rng = np.random.default_rng(key)
    rows = rng.standard_normal((RUNS, 130, length))
    rows[:, 10:20] = np.copysign(0.0, rows[:, 10:20])
    rows[:, 20:30, length // 2] = rng.choice(SPECIAL, (RUNS, 10))
    zeros = rng.random((RUNS, 100, length)) < 2 / length
    extremes = np.where(zeros, np.copysign(0.0, rows[:, 30:]), np.abs(rows[:, 30:]))
    rows[:, 30:] = extremes * np.where(np.arange(100) % 2, 1, -1)[:, None]
    return rows.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ufunc", [np.add, np.maximum, np.minimum], ids=lambda ufunc: ufunc.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_short_and_long_rows_are_reduced_in_numpys_order(ufunc, dtype):
    for length in (*range(1, 35), 63, 64, 65, 127, 128, 129, 130, 300):
        later = rows_of(length, dtype, 1)
        found, _ = replayed(lambda x: ufunc.reduce(x, axis=2), [rows_of(length, dtype, 0)], [later])
        assert same_bits(found, ufunc.reduce(later, axis=2)), length


@pytest.mark.parametrize("exponent", [2.0, np.full((RUNS, 1), 2.0)], ids=["constant", "array"])
def test_a_power_of_one_number_per_run_has_numpys_bits(exponent):
    first, later = (np.random.default_rng(key).uniform(0.9, 1, (RUNS, 1)) for key in (0, 1))
    for base in later + np.linspace(0, 1, 50)[:, None, None]:
        found, replay = replayed(lambda x: x ** (exponent + x * 0 if np.ndim(exponent) else exponent), [first], [base])
        assert same_bits(found, base**exponent)
        assert replay.divided


def test_an_order_that_is_not_numpys_is_noticed(monkeypatch):
    in_numpys_order = reductions.in_numpys_order.__wrapped__
    assert in_numpys_order(np.add, "f", 10)
    monkeypatch.setattr(reductions, "PARTS", 2)
    assert not in_numpys_order(np.add, "f", 10)


def used_twice(x, y):
    total = x + y
    return np.maximum(total, 0.5) * total


def changed_in_place(x, y):
    total = x + y
    np.maximum(total, row(y), out=total)
    return total


def shifted(x, y):
    moved = x * 1.0
    total = moved[:, :-1] + y[:, 1:]
    np.multiply(total, 2.0, out=moved[:, 1:])
    return moved


JOINED = {
    "second operand": (lambda x, y: y - (x + row(y)), ["add then subtract then 1"]),
    "mask": (lambda x, y: y * (x > 0.5), ["greater then mask then 1"]),
    "first operand": (lambda x, y: np.minimum(x * column(y), x), ["multiply then minimum then 0"]),
    "used twice": (used_twice, ["maximum then multiply then 0"]),
    "in place": (changed_in_place, []),
    "overlapping": (shifted, []),
    "sum": (lambda x, y: y + np.add.reduce(x, axis=1, keepdims=True), []),
}


@pytest.mark.parametrize("case", JOINED, ids=lambda case: case.replace(" ", "-"))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_two_operations_become_one_if_nothing_else_uses_the_first(case, monkeypatch):
    function, expected = JOINED[case]
    made, original = [], lowering.joined
    monkeypatch.setattr(lowering, "joined", lambda *given: made.append(original(*given)) or made[-1])
    first, later = ([numbers((RUNS, BATCH, WIDTH), "float32", key + side) for side in (0, 1)] for key in (1, 3))
    found, _ = replayed(function, first, later)
    assert same_bits(found, function(*later))
    assert [kernel.op for kernel in made if kernel] == expected


def test_rows_that_all_runs_share_are_computed_once_before_the_runs():
    def function(shared, own):
        return np.exp(shared) * own

    shapes = ((1, BATCH, WIDTH), (RUNS, BATCH, WIDTH))
    later = [numbers(shape, "float32", 7) for shape in shapes]
    found, replay = replayed(function, [numbers(shape, "float32", 8) for shape in shapes], later)
    with np.errstate(all="ignore"):
        assert same_bits(found, function(*later))
    assert replay.divided


def test_shared_memory_that_is_written_again_is_computed_for_each_run():
    def function(shared, own):
        part = shared * 2.0
        first = part * own
        np.multiply(shared, 3.0, out=part)
        return first + part * own

    shapes = ((1, BATCH, WIDTH), (RUNS, BATCH, WIDTH))
    first, later = ([np.random.default_rng(key).standard_normal(shape) for shape in shapes] for key in (0, 1))
    found, replay = replayed(function, first, later)
    assert same_bits(found, function(*later))
    assert replay.divided


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + np.add.reduce(x, axis=0, keepdims=True),
        lambda x: x - x[::-1],
        lambda x: (x.reshape(-1) * 2.0).reshape(x.shape),
    ],
    ids=["sum", "reversed", "flat"],
)
def test_runs_that_depend_on_each_other_are_computed_call_by_call(function):
    later = np.random.default_rng(0).standard_normal((RUNS, BATCH, WIDTH))
    found, replay = replayed(function, [later[::-1].copy()], [later])
    assert same_bits(found, function(later))
    assert not replay.divided


def test_labels_select_and_change_numbers_of_their_own_run():
    starts = np.arange(0, RUNS * BATCH * 4, 4).reshape(RUNS, BATCH)

    def function(x, labels):
        flat = (x * 1.0).reshape(-1)
        flat[starts + labels] -= 0.5
        return flat.reshape(x.shape) * flat[starts + labels][:, :, None]

    rng = np.random.default_rng(0)
    first, later = ([rng.standard_normal((RUNS, BATCH, 4)), rng.integers(0, 4, (RUNS, BATCH))] for _ in range(2))
    found, replay = replayed(function, first, later)
    assert same_bits(found, function(*later))
    assert replay.divided
    for wrong in (4, 2**40):
        later[1][-1, -1] = wrong
        with pytest.raises(IndexError, match="out of bounds"):
            replayed(function, first, later)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x if x[0, 0, 0] > 0 else -x, "single numbers"),
        (lambda x: x * float(x.sum(axis=2).sum(axis=1)[:1]), "a Python number"),
        (lambda x: np.sort(x), "sort"),
        (lambda x: np.cumsum(x, axis=1), "cumsum"),
        (lambda x: np.einsum("rbw->rwb", x), "einsum"),
        (lambda x: np.add.accumulate(x, axis=1), "add in a form"),
        (lambda x: np.modf(x)[0], "modf in a form"),
        (lambda x: x[x > 0], "indexes with a list"),
        (lambda x: x[:, :, [0, 2]], "indexes with a list"),
        (lambda x: np.add(x[:, 1:], 1.0, out=x[:, :-1]), "overlaps"),
        (lambda x: (x * 1.0).reshape(RUNS, WIDTH, BATCH, order="F"), "in the order F"),
        (lambda x: x * max(x[0, 0]), "single numbers"),
        (lambda x: x * x.flat[0], "a Python number"),
        (lambda x: x * x.view(np.ndarray).max(), "a Python number"),
        (lambda x: x * np.frombuffer(x.data)[0], "a Python number"),
    ],
    ids=[
        *("index", "float", "sort", "cumsum", "einsum", "accumulate", "modf", "boolean", "list", "overlap"),
        *("order", "iterator", "flat", "view", "buffer"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_its_reason(function, reason):
    with pytest.raises(UnfusableError, match=reason):
        replayed(function, [np.ones((RUNS, BATCH, WIDTH))], [np.ones((RUNS, BATCH, WIDTH))])


@pytest.mark.parametrize(
    "key", [(slice(None), slice(None), [0, 2]), [0, 2], (Ellipsis, np.array([3, 1]))], ids=["list", "first", "array"]
)
def test_numbers_are_not_set_in_a_copy(key):
    def function(x):
        made = x * 2.0
        made[key] = 0.0
        return made

    with pytest.raises(UnfusableError, match="indexes with a list"):
        replayed(function, [np.ones((RUNS, BATCH, WIDTH))], [np.ones((RUNS, BATCH, WIDTH))])
