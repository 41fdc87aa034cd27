"""What holds for every optimizer that sees whole tensors: each run and each tensor moves as it would alone."""

from __future__ import annotations

import numpy as np
import pytest
from chains import Constant, Falling, optimizer_class
from tensor_paths import NAMES, PER_TENSOR, SETTINGS, SHAPES, drawn, follow, paths, rows, same_bits, update_from

from framework.base.tensor_optimizer import TensorOptimizer
from framework.errors import InputError, PluginError


@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_tensors_together_move_as_each_alone(name, fields):
    start, gradients = drawn(SHAPES, 3, 8)
    together = paths(name, start, gradients, fields)
    for tensor in SHAPES:
        alone = paths(name, {tensor: start[tensor]}, {tensor: gradients[tensor]}, fields)
        assert np.array_equal(alone[tensor], together[tensor]), tensor


@pytest.mark.parametrize("name", PER_TENSOR)
def test_a_tensor_split_in_two_moves_differently(name):
    start, gradients = drawn({"whole": (6, 4)}, 1, 8)
    whole = paths(name, start, gradients, {})["whole"]
    halves = {"top": slice(0, 3), "bottom": slice(3, 6)}
    parts = paths(
        name,
        {half: start["whole"][:, part] for half, part in halves.items()},
        {half: gradients["whole"][:, :, part] for half, part in halves.items()},
        {},
    )
    assert not np.allclose(np.concatenate([parts["top"], parts["bottom"]], axis=2), whole, rtol=1e-6)


def test_madgrad_does_not_care_how_the_buffer_is_cut():
    start, gradients = drawn({"a": (6,), "b": (5,)}, 2, 8)
    joined = paths(
        "madgrad",
        {"all": np.concatenate([start["a"], start["b"]], axis=1)},
        {"all": np.concatenate([gradients["a"], gradients["b"]], axis=2)},
        {},
    )["all"]
    path = paths("madgrad", start, gradients, {})
    assert np.array_equal(np.concatenate([path["a"], path["b"]], axis=2), joined)


def columns_of(name, runs):
    """Return every hyperparameter, another value for each run."""
    chosen = {}
    for key, field in optimizer_class(name).fields.items():
        if field.column:
            low, high = field.search
            chosen[key] = np.linspace(low + 0.1 * (high - low), high, runs).tolist()
    return chosen


def of_runs(fields, places):
    return {key: [value[i] for i in places] if isinstance(value, list) else value for key, value in fields.items()}


LARGE = {"matrix": (70, 33), "vector": (130,), "kernel": (3, 3, 5, 9), "thin": (150, 1)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_a_run_has_the_same_bits_alone_and_in_any_order(name, fields, dtype):
    start, gradients = drawn(LARGE, 3, 5, dtype=dtype)
    fields = columns_of(name, 3) | {key: value for key, value in fields.items() if isinstance(value, bool | int)}
    together = paths(name, start, gradients, fields)
    assert all(np.isfinite(value).all() for value in together.values())
    for order in ([2, 0, 1], [0], [1], [2]):
        some = paths(name, rows(start, order), rows(gradients, order, 1), of_runs(fields, order))
        assert same_bits(some, rows(together, order, 1)), order
    assert not same_bits(
        paths(name, rows(start, [0]), rows(gradients, [0], 1), of_runs(fields, [2])), rows(together, [0], 1)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_a_diverged_run_leaves_its_neighbours_alone(name, fields, bad):
    start, gradients = drawn(SHAPES, 3, 12)
    clean = paths(name, start, gradients, fields)
    for value in gradients.values():
        value[4:6, 1] = bad
    mixed = paths(name, start, gradients, fields)
    for tensor in SHAPES:
        assert np.array_equal(mixed[tensor][:, [0, 2]], clean[tensor][:, [0, 2]]), tensor
        assert bad == 1e300 or np.isnan(mixed[tensor][-1, 1]).all(), tensor


@pytest.mark.parametrize("name", ["shampoo", "soap"])
def test_eigenvalues_that_are_not_found_end_that_run_only(name, monkeypatch):
    start, gradients = drawn({"matrix": (4, 3)}, 3, 6)
    clean = paths(name, start, gradients, {})
    find, calls = np.linalg.eigh, []

    def refusing(matrix):
        calls.append(matrix)
        if len(calls) == 2:  # the second run's first matrix
            raise np.linalg.LinAlgError("Eigenvalues did not converge")
        return find(matrix)

    monkeypatch.setattr(np.linalg, "eigh", refusing)
    mixed = paths(name, start, gradients, {})
    assert len(calls) > 2
    assert np.isnan(mixed["matrix"][1, 1]).all()
    assert same_bits(rows(mixed, [0, 2], 1), rows(clean, [0, 2], 1))


@pytest.mark.parametrize("name", ["shampoo", "soap"])
def test_eigenvalues_are_sought_of_finite_matrices_only(name, monkeypatch):
    start, gradients = drawn({"matrix": (4, 3)}, 2, 3)
    gradients["matrix"][:, 1] = np.nan
    find, seen = np.linalg.eigh, []

    def watching(matrix):
        seen.append(matrix.copy())
        return find(matrix)

    monkeypatch.setattr(np.linalg, "eigh", watching)
    paths(name, start, gradients, {})
    assert len(seen) >= 2
    assert all(np.isfinite(matrix).all() for matrix in seen)


@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_steps_after_a_restore_are_the_steps_of_an_unbroken_run(name, fields):
    start, gradients = drawn(SHAPES, 2, 12)
    unbroken = paths(name, start, gradients, fields)
    first = update_from(optimizer_class(name)(**fields), start)
    follow(first, rows(gradients, range(5)))
    second = update_from(optimizer_class(name)(**fields), {name: np.zeros_like(value) for name, value in start.items()})
    second.parameters.flat[...] = first.parameters.flat
    second.restore({key: value.copy() for key, value in first.state.items()})
    rest = follow(second, rows(gradients, range(5, 12)), first=6)
    assert same_bits(rest, rows(unbroken, range(5, 12)))


@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_float32_stays_float32_and_gradients_stay_as_they_are(name, fields, monkeypatch):
    start, gradients = drawn(SHAPES, 2, 8, dtype=np.float32)
    cls, kinds = optimizer_class(name), set()
    rule = cls.rule

    def watched(p, g, *rest, **keywords):
        before = g.copy(), p.copy()
        new = rule(p, g, *rest, **keywords)
        kinds.update(value.dtype for value in (new if isinstance(new, tuple) else (new, *vars(rest[0]).values())))
        assert np.array_equal(g, before[0])
        assert np.array_equal(p, before[1])
        return new

    if issubclass(cls, TensorOptimizer):
        monkeypatch.setattr(cls, "rule", staticmethod(watched))
    update = update_from(cls(**fields), start)
    path = follow(update, gradients)
    assert kinds <= {np.dtype(np.float32)}
    assert bool(kinds) == issubclass(cls, TensorOptimizer)
    assert all(held.dtype == np.float32 for key, held in update.state.items() if key.startswith("rule/"))
    exact = paths(
        name, {k: v.astype(float) for k, v in start.items()}, {k: v.astype(float) for k, v in gradients.items()}, fields
    )
    known = ("matrix", "kernel", "one") if name == "soap" else SHAPES  # of the others SOAP's first basis is partly free
    assert all(np.allclose(path[tensor], exact[tensor], rtol=1e-3, atol=1e-3) for tensor in known)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_of_zero_gives_a_finite_step(name):
    start, gradients = drawn(SHAPES, 2, 6)
    for dtype in (np.float32, np.float64):
        zero = {key: np.zeros_like(value, dtype=dtype) for key, value in gradients.items()}
        path = paths(name, {key: value.astype(dtype) for key, value in start.items()}, zero, {})
        assert all(np.isfinite(value).all() for value in path.values())


def test_shampoo_stays_finite_where_rounding_makes_eigenvalues_negative():
    start, gradients = drawn({"vector": (40,), "matrix": (30, 2)}, 3, 6)
    path = paths("shampoo", start, {tensor: 1e8 * value for tensor, value in gradients.items()}, {"eps": 1e-8})
    assert all(np.isfinite(value).all() for value in path.values())
    assert all(np.abs(np.diff(value, axis=0)).max() < 1 for value in path.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_multiplies_lr_at_its_own_step(name):
    class Half(Constant):
        def factor(self, t, total):
            return np.full_like(t, 0.5)

    start, gradients = drawn(SHAPES, 1, 6)
    fields = {"lr": 0.02}
    assert same_bits(
        paths(name, start, gradients, fields, schedule=Half()), paths(name, start, gradients, {"lr": 0.01})
    )
    falling = paths(name, start, gradients, fields, schedule=Falling())
    plain = paths(name, start, gradients, fields)
    assert same_bits(rows(falling, [0]), rows(plain, [0]))
    assert not np.allclose(falling["matrix"][2:], plain["matrix"][2:], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_hyperparameter_declares_and_enforces_its_range(name):
    for key, field in optimizer_class(name).fields.items():
        low = field.above if field.above is not None else field.at_least
        high = field.below if field.below is not None else field.at_most
        for value in (
            {low - 1 if low is not None else high + 1, high + 1 if high is not None else low - 1}
            if field.kind in ("number", "integer")
            else ()
        ):
            with pytest.raises(InputError, match=rf"^optimizer\.{key}=.* is out of range: it must be "):
                optimizer_class(name).resolve({key: value}, "optimizer")
        if field.column:
            assert field.prior in ("log", "log 1-x", "linear"), key
            for end in field.search:
                field.check_bounds(end, key)
            assert field.search[0] < field.search[1], key
        assert field.help, key


@pytest.mark.parametrize("name", NAMES)
def test_traits_follow_from_the_class(name):
    cls = optimizer_class(name)
    assert cls.elementwise == (name == "madgrad")
    assert not cls.own_step_size
    assert cls.summary().endswith(".")
    if cls.elementwise:
        assert not cls.exact


def test_a_rule_of_other_arguments_is_refused_where_it_is_written():
    with pytest.raises(
        PluginError, match=r"Wrong.rule takes \['self', 'p', 'g', 's'\]: define rule\(p, g, s, c\), wit"
    ):

        class Wrong(TensorOptimizer):
            def rule(self, p, g, s):
                return p

    with pytest.raises(PluginError, match=r"Short.rule takes \['p', 'g', 's'\]"):

        class Short(TensorOptimizer):
            @staticmethod
            def rule(p, g, s):
                return p

    class Right(TensorOptimizer):
        def slots(self, shape):
            return {}

        @staticmethod
        def rule(values, slopes, s, c):
            return values - slopes

    assert np.array_equal(Right.rule(np.ones(2), np.ones(2), None, None), np.zeros(2))
