"""Optimizers that evaluate or read the loss: golden files, plain loops, and their ways.

With feedback, rounding errors grow by nature: golden paths are followed to 1e-9 (observed: below 1e-10).
"""

from __future__ import annotations

import golden
import numpy as np
import pytest
from chains import optimizer_class, relative
from valleys import prepare, problem, travel, weights_of

from framework.errors import InputError
from framework.training.trace import trace

STEM = "optimizers_closure"
CLOSURE = ("polyak_sgd", "lbfgs", "sam", "sophia")


def fields_of(case):
    """Return our fields for a golden case."""
    fields = {key.removeprefix("learning_rate") or "lr": value for key, value in case["kwargs"].items()}
    if case["library"] == "torch":
        return {"line_search_fn": "none", **fields}
    return {"momentum": 0.0, **fields, "rho": case["rho"]} if case["library"] == "sam" else fields


@pytest.mark.parametrize("name", golden.cases(STEM))
def test_agrees_with_torch_and_optax_on_a_valley(name):
    held, case = golden.arrays(STEM), golden.cases(STEM)[name]
    expected = held[name]
    tilts = held["tilts"][: len(expected), None]
    path = travel(name.split("-")[0], held["start"][None], tilts, **fields_of(case))[:, 0]
    assert relative(path, expected) <= 1e-9
    assert np.abs(expected[-1] - held["start"]).max() > 0.1


# Each loop yields the point after each step on the valley, written from the paper.


def slope_at(x, w, c):
    slope = w * x + c
    for i in range(len(x) - 1):
        off = x[i + 1] - x[i] ** 2
        slope[i + 1] += 2 * off
        slope[i] -= 4 * off * x[i]
    return slope


def hessian_at(x, w):
    made = np.diag(w)
    for i in range(len(x) - 1):
        made[i + 1, i + 1] += 2
        made[i, i] += 12 * x[i] ** 2 - 4 * x[i + 1]
        made[i, i + 1] -= 4 * x[i]
        made[i + 1, i] -= 4 * x[i]
    return made


def value_at(x, w, c):
    return sum(w * x**2) / 2 + sum((x[1:] - x[:-1] ** 2) ** 2) + sum(c * x)


def sam(x, w, cs, lr=0.1, rho=0.05, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False, adaptive=False):
    b = None
    for c in cs:
        g = slope_at(x, w, c)
        size = abs(x) if adaptive else np.ones_like(x)
        worst = x + rho * size**2 * g / np.sqrt(sum((size * g) ** 2))
        g = slope_at(worst, w, c) + weight_decay * x
        b = g if b is None else momentum * b + (1 - dampening) * g
        x = x - lr * (g + momentum * b if nesterov else b)
        yield x


def polyak_sgd(x, w, cs, max_learning_rate=1.0, scaling=1.0, f_min=0.0, eps=0.0, variant="sps"):
    for c in cs:
        g = slope_at(x, w, c)
        gap = value_at(x, w, c) - f_min
        step = min((max(gap, 0) if variant == "sps+" else gap) / (sum(g * g) + eps), max_learning_rate)
        x = x - scaling * step * g
        yield x


def sophia(
    x,
    w,
    cs,
    lr=1e-3,
    beta1=0.965,
    beta2=0.99,
    eps=1e-8,
    weight_decay=1e-4,
    gamma=0.01,
    clip_threshold=1.0,
    update_interval=10,
    probe="rademacher",
):
    m, h = 0 * x, 0 * x
    made = optimizer_class("sophia")(probe=probe)
    for t, c in enumerate(cs, start=1):
        m = beta1 * m + (1 - beta1) * slope_at(x, w, c)
        if (t - 1) % update_interval == 0:
            u = made._probe((t - 1) // update_interval, len(x))[0]
            h = beta2 * h + (1 - beta2) * u * (hessian_at(x, w) @ u)
        x = x - lr * weight_decay * x
        x = x - lr * np.clip(m / np.maximum(gamma * h, eps), -clip_threshold, clip_threshold)
        yield x


LOOPS = [
    ("sam", {"lr": 0.02, "rho": 0.2, "adaptive": True}, 1e-12),
    ("sam", {"lr": 0.02, "dampening": 0.5, "weight_decay": 0.1}, 1e-12),
    ("sam", {"lr": 0.02, "rho": 0.5, "momentum": 0.8, "nesterov": True, "adaptive": True}, 1e-12),
    ("polyak_sgd", {"scaling": 0.5}, 1e-12),
    ("polyak_sgd", {"scaling": 0.3, "f_min": -1.0, "variant": "sps+", "eps": 0.1, "max_learning_rate": 0.1}, 1e-12),
    # the bound is that of the central differences: c is off by some 1e-9
    ("sophia", {"lr": 0.02}, 1e-7),
    ("sophia", {"lr": 0.02, "beta1": 0.8, "beta2": 0.5, "gamma": 1.0, "clip_threshold": 3.0}, 1e-7),
    ("sophia", {"lr": 0.02, "eps": 0.1, "weight_decay": 0.3, "update_interval": 3, "probe": "normal"}, 1e-7),
]


@pytest.mark.parametrize(("name", "fields", "bound"), LOOPS)
def test_agrees_with_its_paper_as_a_plain_loop(name, fields, bound):
    start, tilts = problem(1, steps=40)
    path = travel(name, start, tilts, **fields)[:, 0]
    expected = np.array(list(globals()[name](start[0], weights_of(9), tilts[:, 0], **fields)))
    assert relative(path, expected) <= bound
    assert np.abs(expected[-1] - start[0]).max() > 0.1


@pytest.mark.parametrize("name", CLOSURE)
def test_references_set_every_field(name):
    defaults = optimizer_class(name).defaults()
    settings = [fields_of(case) for key, case in golden.cases(STEM).items() if key.split("-")[0] == name]
    settings += [fields for of, fields, _ in LOOPS if of == name]
    assert {key for fields in settings for key, value in fields.items() if value != defaults[key]} == set(defaults)


# Single ways


def quartic(x):
    return float((x**4).sum() / 4 + (x**2).sum())


@pytest.mark.parametrize("name", ["polyak_sgd", "lbfgs"])
def test_trace_asks_for_the_function_where_its_value_is_read(name):
    with pytest.raises(
        InputError, match=f"trace: optimizer {name} uses the function's value: pass fun= in addition to grad"
    ):
        trace(name, lambda x: x**3 + 2 * x, [1.0, -2.0], 5)
    path = trace(name, lambda x: x**3 + 2 * x, [1.0, -2.0], 60, fun=quartic)
    assert np.abs(path[-1]).max() < 1e-3


@pytest.mark.parametrize("name", ["sam", "sophia"])
def test_trace_needs_no_function_where_gradients_do(name):
    path = trace(name, lambda x: x**3 + 2 * x, [1.0, -2.0], 300, lr=0.02)
    assert np.abs(path[-1]).max() < 0.1


def test_polyak_takes_a_run_without_a_loss_alone():
    start, tilts = problem(3, steps=1)
    update, valley = prepare("polyak_sgd", start)
    valley.begin(tilts[0])
    valley.losses[1] = np.nan
    update.step(1, valley)
    expected = travel("polyak_sgd", start, tilts)[0]
    assert np.isnan(update.parameters.flat[1]).all()
    assert np.array_equal(update.parameters.flat[[0, 2]], expected[[0, 2]])


def test_polyak_bounds_its_step_and_plus_never_climbs():
    start, tilts = problem(1, steps=1)
    valley = prepare("polyak_sgd", start)[1]
    valley.begin(tilts[0])
    slope = valley.gradients.flat.copy()
    bounded = travel("polyak_sgd", start, tilts, max_learning_rate=1e-3)[0]
    assert np.allclose(bounded, start - 1e-3 * slope, rtol=1e-14)
    assert np.array_equal(travel("polyak_sgd", start, tilts, variant="sps+", f_min=1e3)[0], start)
    assert not np.array_equal(travel("polyak_sgd", start, tilts, f_min=1e3)[0], start)


def test_sam_that_looks_nowhere_is_sgd():
    start, tilts = problem(2)
    fields = {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    assert np.array_equal(travel("sam", start, tilts, rho=0.0, **fields), travel("sgd", start, tilts, **fields))
    with pytest.raises(InputError, match="nesterov=true needs momentum"):
        optimizer_class("sam")(momentum=0.0, nesterov=True)


def test_sam_looks_as_far_as_rho_over_all_tensors():
    start, tilts = problem(2, steps=1)
    update, valley = prepare("sam", start, rho=0.25)
    looked, evaluate = [], valley.evaluate
    valley.begin(tilts[0])
    valley.evaluate = lambda: looked.append(valley.parameters.flat.copy()) or evaluate()
    update.step(1, valley)
    assert len(looked) == 1
    assert np.allclose(np.linalg.norm(looked[0] - start, axis=1), 0.25, rtol=1e-12)


def test_sophia_evaluates_twice_when_an_estimate_is_due():
    start, tilts = problem(1, steps=9)
    update, valley = prepare("sophia", start, update_interval=4)
    for t, (tilt, count) in enumerate(zip(tilts, [2, 0, 0, 0, 2, 0, 0, 0, 2], strict=True), start=1):
        valley.begin(tilt)
        update.step(t, valley)
        assert valley.evaluations == count


def test_sophia_draws_by_seed_and_number_alone():
    draw = optimizer_class("sophia")
    signs = draw()._probe(0, 1000)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert np.array_equal(signs, draw()._probe(0, 1000))
    assert not np.array_equal(signs, draw()._probe(1, 1000))
    seeded = draw()
    seeded.seeds = [4, 0, 4]
    drawn = seeded._probe(0, 1000)
    assert np.array_equal(drawn[1:2], signs)
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[:1], signs)
    assert len(np.unique(draw(probe="normal")._probe(0, 1000))) == 1000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sophias_estimates_average_to_the_hessians_diagonal(dtype):
    start, tilts = problem(1, dtype=dtype)
    optimizer = optimizer_class("sophia")()
    update, valley = prepare("sophia", start)
    valley.begin(tilts[0])
    found = [optimizer._curvature(update.parameters, update.gradients, valley, k)[0] for k in range(4000)]
    exact = np.diag(hessian_at(start[0].astype(np.float64), weights_of(9)))
    assert np.abs(np.mean(found, axis=0) - exact).max() < 0.4  # the off-diagonals, up to 6, fall with the root of 4000
    assert np.abs(exact).max() > 10


def rosenbrock(x):
    return float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)


def rosenbrock_slope(x):
    return np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_finds_rosenbrocks_minimum(dtype):
    path = trace("lbfgs", rosenbrock_slope, np.array([-1.2, 1.0], dtype), 5, fun=rosenbrock)
    assert path.dtype == dtype
    assert np.abs(path[-1] - 1).max() < 1e-3


def test_lbfgs_turns_back_from_where_there_is_no_loss():
    def barrier(x):
        return float(-x[0] - 0.1 * np.log(1 - x[0]))

    with np.errstate(invalid="ignore"):  # beyond 1, where the first trials are
        path = trace("lbfgs", lambda x: 0.1 / (1 - x) - 1, [-3.0], 5, fun=barrier, lr=40.0)
    assert abs(path[-1, 0] - 0.9) < 1e-4


@pytest.mark.parametrize(("start", "tilt", "loss"), [(0.0, 0.0, 0.0), (1.0, 0.1, np.nan), (1.0, np.nan, 1.0)])
def test_lbfgs_stays_at_a_minimum_and_where_there_is_no_loss_or_slope(start, tilt, loss):
    update, valley = prepare("lbfgs", np.full((1, 9), start))
    valley.begin(np.full((1, 9), tilt))
    valley.losses[0] = loss
    update.step(1, valley)
    assert valley.evaluations == 0
    assert np.array_equal(update.parameters.flat, np.full((1, 9), start))
    assert not update.state["rule/started"].any()


def test_lbfgs_keeps_to_its_evaluations():
    start, tilts = problem(1, steps=1)
    for most in (3, 7):
        update, valley = prepare("lbfgs", start, max_eval=most)
        valley.begin(tilts[0])
        update.step(1, valley)
        assert valley.evaluations <= most
    update, valley = prepare("lbfgs", start, max_iter=4, max_eval=100, lr=0.1, line_search_fn="none")
    valley.begin(tilts[0])
    update.step(1, valley)
    assert valley.evaluations == 3


def test_lbfgs_says_that_runs_do_not_share_a_population():
    assert [optimizer_class(name).vectorized for name in CLOSURE] == [True, False, True, True]


def test_valley_is_what_its_loops_say():
    start, tilts = problem(1)
    valley = prepare("sam", start)[1]
    valley.begin(tilts[0])
    x, w, c = start[0], weights_of(9), tilts[0, 0]
    assert np.allclose(valley.gradients.flat[0], slope_at(x, w, c), rtol=1e-13)
    assert np.isclose(valley.losses[0], value_at(x, w, c), rtol=1e-13)
    for i in range(9):
        e = 1e-5 * np.eye(9)[i]
        assert np.isclose((value_at(x + e, w, c) - value_at(x - e, w, c)) / 2e-5, slope_at(x, w, c)[i], atol=1e-7)
        difference = (slope_at(x + e, w, c) - slope_at(x - e, w, c)) / 2e-5
        assert np.allclose(difference, hessian_at(x, w)[i], atol=1e-7)
