"""The elementwise first-order catalogue: golden files of torch and optax, plain loops, and what holds for each."""

from __future__ import annotations

import math

import golden
import numpy as np
import pytest
from chains import Constant, Falling, chain, follow, optimizer_class, recorded, relative, run

from framework.base.elementwise_optimizer import inspect_keywords
from framework.errors import InputError
from framework.training.update import TABLE

TORCH, OPTAX = "optimizers_torch_elementwise", "optimizers_optax_elementwise"
GOLDEN = [(stem, name) for stem in (TORCH, OPTAX) for name in golden.cases(stem)]
NAMES = [
    *("asgd", "rprop", "nadam", "radam", "adamw", "nadamw", "adabelief", "yogi", "adabound", "adan", "ademamix"),
    *("adopt", "laprop", "qhadam", "lion", "signsgd", "signum", "tiger", "aggmo"),
]


@pytest.mark.parametrize(("stem", "name"), GOLDEN)
def test_agrees_with_its_library_on_recorded_gradients(stem, name):
    assert golden.worst_error(stem, name) <= 1e-12


def loops_or_golden():
    """Return every optimizer's settings that are held against something independent."""
    settings = [(case["optimizer"], case["fields"]) for stem in (TORCH, OPTAX) for case in golden.cases(stem).values()]
    return settings + [(name, fields) for name, fields, _ in LOOPS]


@pytest.mark.parametrize("name", NAMES)
def test_references_set_every_field(name):
    defaults = optimizer_class(name).defaults()
    used = [fields for of, fields in loops_or_golden() if of == name]
    moved = {field for fields in used for field, value in fields.items() if value != defaults[field]}
    assert moved == set(defaults)


# Each loop moves one number p by recorded gradients g, in plain Python floats, written from the paper.


def adabound(
    p, gs, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, final_lr=0.1, gamma=1e-3, amsbound=False
):
    m = v = largest = 0.0
    for t, g in enumerate(gs, start=1):
        g += weight_decay * p
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g**2 - v)
        largest = max(largest, v)
        size = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) / (math.sqrt(largest if amsbound else v) + eps)
        size = max(size, final_lr - final_lr / (gamma * t + 1))
        p -= min(size, final_lr + final_lr / (gamma * t)) * m
        yield p


def adan(p, gs, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, eps_root=1e-8, weight_decay=0.0):
    # the paper's betas are 1 minus these
    k1, k2, k3 = 1 - beta1, 1 - beta2, 1 - beta3
    m = v = n = 0.0
    before = None
    for t, g in enumerate(gs, start=1):
        change = 0.0 if before is None else g - before
        m = (1 - k1) * m + k1 * g
        v = (1 - k2) * v + k2 * change
        n = (1 - k3) * n + k3 * (g + (1 - k2) * change) ** 2
        eta = lr / (math.sqrt(n / (1 - beta3**t) + eps_root) + eps)
        p = (1 - lr * weight_decay) * p - eta * (m / (1 - beta1**t) + (1 - k2) * v / (1 - beta2**t))
        before = g
        yield p


def ademamix(p, gs, lr=1e-3, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=5.0, alpha_warmup=0, beta3_warmup=0):
    fast = slow = v = 0.0
    for t, g in enumerate(gs, start=1):
        mix, b3 = alpha, beta3
        if t < alpha_warmup:
            mix = alpha * t / alpha_warmup
        if t < beta3_warmup:
            part, low, high = t / beta3_warmup, math.log(beta1), math.log(beta3)
            b3 = min(beta3, math.exp(low * high / ((1 - part) * high + part * low)))
        fast = beta1 * fast + (1 - beta1) * g
        slow = b3 * slow + (1 - b3) * g
        v = beta2 * v + (1 - beta2) * g**2
        p -= lr * (fast / (1 - beta1**t) + mix * slow) / (math.sqrt(v / (1 - beta2**t)) + 1e-8)
        yield p


def laprop(p, gs, lr=4e-4, beta1=0.9, beta2=0.999, eps=1e-15):
    m = v = 0.0
    for t, g in enumerate(gs, start=1):
        v = beta2 * v + (1 - beta2) * g**2
        divided = g / (math.sqrt(v / (1 - beta2**t)) + eps) if g else 0.0
        m = beta1 * m + (1 - beta1) * divided
        p -= lr * m / (1 - beta1**t)
        yield p


def qhadam(p, gs, lr=1e-3, beta1=0.9, beta2=0.999, nu1=1.0, nu2=1.0, eps=1e-8, weight_decay=0.0):
    m = v = 0.0
    for t, g in enumerate(gs, start=1):
        g += weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        top = (1 - nu1) * g + nu1 * m / (1 - beta1**t)
        below = math.sqrt((1 - nu2) * g**2 + nu2 * v / (1 - beta2**t)) + eps
        p -= lr * top / below
        yield p


def tiger(p, gs, lr=1e-3, beta=0.965, weight_decay=0.01):
    m = 0.0
    for g in gs:
        m = beta * m + (1 - beta) * g
        p -= lr * ((m > 0) - (m < 0) + weight_decay * p)
        yield p


def aggmo(p, gs, lr=1e-3, beta1=0.0, beta2=0.9, beta3=0.99, weight_decay=0.0):
    betas, velocities = [beta1, beta2, beta3], [0.0, 0.0, 0.0]
    for g in gs:
        g += weight_decay * p
        velocities = [beta * v - g for beta, v in zip(betas, velocities, strict=True)]
        p += lr / 3 * sum(velocities)
        yield p


LOOPS = [
    ("adabound", {}, adabound),
    ("adabound", {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "final_lr": 0.05, "gamma": 0.05}, adabound),
    ("adabound", {"lr": 0.02, "beta2": 0.9, "amsbound": True, "final_lr": 0.5}, adabound),
    ("adabound", {"lr": 0.02, "weight_decay": 0.05, "amsbound": True, "gamma": 0.01}, adabound),
    ("adan", {}, adan),
    ("adan", {"lr": 0.02, "beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "weight_decay": 0.1}, adan),
    ("ademamix", {"alpha_warmup": 40.0}, ademamix),
    ("ademamix", {"lr": 0.02, "beta1": 0.8, "beta3": 0.99, "beta3_warmup": 60.0}, ademamix),
    ("ademamix", {"lr": 0.02, "beta1": 0.99, "beta3": 0.9, "alpha_warmup": 200.0, "beta3_warmup": 200.0}, ademamix),
    ("laprop", {}, laprop),
    ("laprop", {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-2}, laprop),
    ("laprop", {"lr": 0.02, "beta1": 0.9, "beta2": 0.0}, laprop),
    ("qhadam", {}, qhadam),
    ("qhadam", {"lr": 0.02, "beta1": 0.995, "nu1": 0.7}, qhadam),
    ("qhadam", {"lr": 0.02, "beta2": 0.95, "nu1": 0.0, "nu2": 0.6, "eps": 1e-3, "weight_decay": 0.05}, qhadam),
    ("tiger", {}, tiger),
    ("tiger", {"lr": 0.02, "beta": 0.8, "weight_decay": 0.2}, tiger),
    ("aggmo", {}, aggmo),
    ("aggmo", {"lr": 0.02, "beta1": 0.3, "beta2": 0.6, "beta3": 0.8, "weight_decay": 0.05}, aggmo),
]


def by_hand(loop, start, gradients, fields):
    """Return the loop's path, ``(steps, 1, size)``."""
    numbers = [list(loop(p, gradients[:, 0, at].tolist(), **fields)) for at, p in enumerate(start[0].tolist())]
    return np.array(numbers).T[:, None]


def with_zeros(steps=100, size=9):
    """Return recorded gradients of which one in twenty is exactly 0, at the first step too."""
    start, gradients = recorded(1, size, steps)
    gradients[np.random.default_rng(1).random(gradients.shape) < 0.05] = 0.0
    gradients[0, :, 0] = 0.0
    return start, gradients


@pytest.mark.parametrize(("name", "fields", "loop"), LOOPS)
def test_agrees_with_the_papers_loop(name, fields, loop):
    start, gradients = with_zeros()
    expected = by_hand(loop, start, gradients, fields)
    assert relative(run(name, start, gradients, **fields), expected) <= 1e-12
    for tensor in (slice(0, 4), slice(4, 9)):
        assert relative(run(name, start, gradients, **fields)[:, :, tensor], expected[:, :, tensor]) <= 1e-12


def test_ademamix_warms_up_from_no_memory_at_all():
    start, gradients = recorded(1, 5, 30)
    never = run("ademamix", start, gradients, beta1=0.0, beta3=0.9, beta3_warmup=20.0)
    barely = run("ademamix", start, gradients, beta1=1e-300, beta3=0.9, beta3_warmup=20.0)
    assert relative(never, barely) <= 1e-3
    assert relative(never, run("ademamix", start, gradients, beta1=0.0, beta3=0.9)) > 1e-3
    flat = run("ademamix", start, gradients, beta1=0.0, beta3=0.0, beta3_warmup=20.0)
    assert np.array_equal(flat, run("ademamix", start, gradients, beta1=0.0, beta3=0.0))


def test_adabound_bounds_follow_the_schedule():
    start, gradients = recorded(1, 6, 100)
    fields = {"lr": 1.0, "final_lr": 0.05, "gamma": 0.9}
    path = run("adabound", start, gradients, schedule=Falling(), **fields)
    p, m, v = start[0].copy(), np.zeros(6), np.zeros(6)
    for t, g in enumerate(gradients[:, 0], start=1):
        factor = 0.5 ** ((t - 1) % 4)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        size = factor * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) / (np.sqrt(v) + 1e-8)
        final = 0.05 * factor
        p = p - np.clip(size, final * (1 - 1 / (0.9 * t + 1)), final * (1 + 1 / (0.9 * t))) * m
        assert relative(path[t - 1 : t], p[None, None]) <= 1e-12


@pytest.mark.parametrize("t0", [1e6, 7.0, 0.0])
def test_asgd_carries_the_mean_of_its_path_and_trains_without_it(t0):
    start, gradients = recorded(1, 6, 40)
    update = chain(optimizer_class("asgd")(lr=0.1, t0=t0), start)
    path = follow(update, gradients)
    skipped = int(min(t0, len(path) - 2))  # the mean starts anew at every step up to t0 + 2
    expected = path[skipped + 1 :].mean(axis=0) if t0 < len(path) else path[-1]
    assert relative(update.state["rule/ax"][None], expected[None]) <= 1e-12
    assert np.array_equal(update.parameters.flat, path[-1])
    assert update.evaluation_point() is None


def test_rprop_takes_its_first_steps_by_hand():
    start, gradients = np.zeros((1, 2)), np.array([[[1.0, -2.0]], [[3.0, 4.0]], [[-1.0, 1.0]], [[-2.0, 0.0]]])
    path = run("rprop", start, gradients, lr=0.1)
    assert np.allclose(path[:, 0, 0], [-0.1, -0.22, -0.22, -0.16], rtol=1e-14)
    assert np.allclose(path[:, 0, 1], [0.1, 0.1, 0.05, 0.05], rtol=1e-14)


def test_rprop_needs_room_between_its_bounds():
    with pytest.raises(InputError, match="step_min=2 must not be above step_max=1"):
        optimizer_class("rprop")(step_min=2.0, step_max=1.0)


def test_neighbours_in_the_catalogue_are_what_their_docstrings_say():
    start, gradients = recorded(1, 8, 60)
    tiger_path = run("tiger", start, gradients, lr=0.02, beta=0.9, weight_decay=0.1)
    lion = run("lion", start, gradients, lr=0.02, beta1=0.9, beta2=0.9, weight_decay=0.1)
    assert relative(tiger_path, lion) <= 1e-13
    bare = run("tiger", start, gradients, lr=0.02, beta=0.9, weight_decay=0.0)
    assert np.array_equal(bare, run("signum", start, gradients, lr=0.02, beta=0.9))
    assert relative(run("signum", start, gradients, beta=0.0), run("signsgd", start, gradients)) <= 1e-13
    assert relative(run("qhadam", start, gradients), run("adam", start, gradients)) <= 1e-13
    assert relative(run("ademamix", start, gradients, alpha=0.0), run("adam", start, gradients)) <= 1e-13
    assert relative(tiger_path, bare) > 1e-3


# What holds for every optimizer of the catalogue.


def settings(name):
    """Return an optimizer's flags as they are, and each of them turned."""
    turned = {key: not field.default for key, field in optimizer_class(name).fields.items() if field.kind == "flag"}
    return [{}, *({key: value} for key, value in turned.items()), *([turned] if len(turned) > 1 else [])]


EVERY = [pytest.param(name, flags, id="-".join([name, *flags])) for name in NAMES for flags in settings(name)]


def columns_of(name, runs):
    """Return every hyperparameter, another value for each run."""
    columns = {}
    for key, field in optimizer_class(name).fields.items():
        if field.column:
            low, high = field.search
            columns[key] = np.linspace(low + 0.1 * (high - low), high, runs).tolist()
    return columns


def of_run(columns, place):
    return {key: value[place] for key, value in columns.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_a_run_has_the_same_bits_alone_and_in_any_order(name, flags, dtype):
    start, gradients = recorded(3, 7001, 12, dtype=dtype)
    columns = columns_of(name, 3)
    together = run(name, start, gradients, **columns, **flags)
    assert np.isfinite(together).all()
    order = [2, 0, 1]
    turned = {key: [value[i] for i in order] for key, value in columns.items()}
    assert np.array_equal(run(name, start[order], gradients[:, order], **turned, **flags), together[:, order])
    for place in range(3):
        own = of_run(columns, place)
        alone = run(name, start[place : place + 1], gradients[:, place : place + 1], **own, **flags)
        assert np.array_equal(alone[:, 0], together[:, place])
    other = run(name, start[:1], gradients[:, :1], **of_run(columns, 2), **flags)
    assert not np.array_equal(together[:, 0], other[:, 0])


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_a_diverged_run_leaves_its_neighbours_alone(name, flags):
    start, gradients = recorded(3, 50)
    clean = run(name, start, gradients, **flags)
    gradients[5, 1] = np.nan
    gradients[7, 1, :20] = np.inf
    mixed = run(name, start, gradients, **flags)
    assert np.isnan(mixed[-1, 1]).all()
    assert np.array_equal(mixed[:, [0, 2]], clean[:, [0, 2]])


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_gradients_are_left_as_they_are(name, flags):
    start, gradients = recorded(2, 9)
    update = chain(optimizer_class(name)(**flags), start)
    for step, gradient in enumerate(gradients, start=1):
        update.gradients.flat[...] = gradient
        update.step(step)
        assert np.array_equal(update.gradients.flat, gradient)


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_float32_stays_float32(name, flags):
    start, gradients = recorded(2, 6, dtype=np.float32)
    optimizer = optimizer_class(name)(**flags)
    update = chain(optimizer, start)
    path = follow(update, gradients)
    held = {key.removeprefix("rule/"): value for key, value in update.state.items()}
    table = optimizer.table(np.arange(1, 3), np.ones((2, 1, 1)), held)
    used = {key: field.default for key, field in optimizer.fields.items() if field.kind == "flag"} | flags
    used |= {key: rows[0].astype(np.float32) for key, rows in table.items()}
    wanted = {key: used[key] for key in inspect_keywords(optimizer.rule)}
    with np.errstate(all="ignore"):
        new = optimizer.rule(start, gradients[0], *[held.get(slot) for slot in optimizer.slots], **wanted)
    given = [value for value in (new if isinstance(new, tuple) else (new,)) if value is not None]
    assert all(value.dtype == np.float32 for value in given)
    assert all(held[slot].dtype == np.float32 for slot in optimizer.slots if slot in held)
    assert all(held[scalar].dtype == np.float64 for scalar in optimizer.scalars)
    exact = run(name, start.astype(np.float64), gradients.astype(np.float64), **flags)
    assert np.allclose(path, exact, rtol=1e-3, atol=1e-4)


def schedule_for(name):
    return Constant() if optimizer_class(name).own_step_size else Falling()


def copied(state):
    return {key: array.copy() for key, array in state.items()}


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_n_plus_m_steps_are_n_then_restore_then_m(name, flags):
    start, gradients = recorded(2, 9, 30)
    optimizer = optimizer_class(name)(**flags)
    unbroken = follow(chain(optimizer, start, schedule=schedule_for(name)), gradients)
    first = chain(optimizer, start, schedule=schedule_for(name))
    follow(first, gradients[:13])
    saved, stood = copied(first.state), first.parameters.flat.copy()
    follow(first, gradients[13:], first=14)
    second = chain(optimizer, stood, schedule=schedule_for(name))
    second.restore(saved)
    assert np.array_equal(follow(second, gradients[13:], first=14), unbroken[13:])
    assert all(np.array_equal(array, second.state[key]) for key, array in first.state.items())


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_coefficients_in_tables_are_those_of_single_steps(name, flags):
    start, gradients = recorded(2, 3, TABLE + 5)
    optimizer = optimizer_class(name)(**flags)
    whole = follow(chain(optimizer, start, schedule=schedule_for(name)), gradients)
    update = chain(optimizer, start, schedule=schedule_for(name))
    for step, gradient in enumerate(gradients, start=1):
        update.restore(copied(update.state))  # forgets the table
        update.gradients.flat[...] = gradient
        update.step(step)
        assert np.array_equal(update.parameters.flat, whole[step - 1])


class Half(Constant):
    """One half at every step."""

    def factor(self, t, total):
        return np.full_like(t, 0.5)


@pytest.mark.parametrize(("name", "flags"), EVERY)
def test_a_schedule_multiplies_lr(name, flags):
    start, gradients = recorded(1, 6)
    halved = {"final_lr": 0.05} if "final_lr" in optimizer_class(name).fields else {}
    scheduled = run(name, start, gradients, lr=0.2, schedule=Half(), **flags)
    full, half = run(name, start, gradients, lr=0.2, **flags), run(name, start, gradients, lr=0.1, **halved, **flags)
    if "lr" in optimizer_class(name).slots.values():  # a state starts at the first step's lr
        assert np.array_equal(scheduled, half)
    elif optimizer_class(name).own_step_size:
        assert np.array_equal(scheduled, full)
    else:
        assert np.array_equal(scheduled, half)
        assert not np.array_equal(scheduled, full)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_of_zero_moves_nothing_without_decay(name):
    start = recorded(2, 6)[0]
    none = {
        key: 0.0
        for key in ("weight_decay", "lambd", "initial_accumulator_value")
        if key in optimizer_class(name).fields
    }
    path = run(name, start, np.zeros((5, 2, 6)), **none)
    assert np.array_equal(path, np.broadcast_to(start, path.shape))


@pytest.mark.parametrize("name", NAMES)
def test_every_field_declares_and_enforces_its_range(name):
    for key, field in optimizer_class(name).fields.items():
        if not field.column:
            continue
        assert field.prior in ("log", "log 1-x", "linear"), key
        assert field.search[0] < field.search[1], key
        for end in field.search:
            field.check_bounds(end, key)
        low, high = field.above if field.above is not None else field.at_least, field.below or field.at_most
        wrong = [low if field.above is not None else low - 1, float("nan")]
        wrong += [] if high is None else [high if field.below is not None else high + 1]
        for value in wrong:
            with pytest.raises(InputError) as caught:
                optimizer_class(name).resolve({key: value}, "optimizer")
            assert str(caught.value) == f"optimizer.{key}={value:g} is out of range: it must be {field.range()}"


@pytest.mark.parametrize("name", NAMES)
def test_traits_and_words(name):
    cls = optimizer_class(name)
    assert cls.elementwise
    assert not cls.needs_closure
    assert cls.own_step_size == (name == "rprop")
    assert cls.summary().endswith(".")
    assert "Source" in cls.__doc__
    assert "Differs" in cls.__doc__
