"""Learning-rate-free and schedule-free optimizers: optax's golden files, plain loops, and their ways."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from chains import Falling, chain, follow, optimizer_class, recorded, relative, run

from framework.errors import InputError
from framework.training.trace import trace
from framework.training.update import TABLE

OPTAX = "optimizers_optax_free"
FREE = ("prodigy", "dadapt_adam", "dog", "dowg", "cocob", "mechanize", "schedule_free_sgd", "schedule_free_adamw")


@pytest.mark.parametrize("name", golden.cases(OPTAX))
def test_agrees_with_optax_on_recorded_gradients(name):
    assert golden.worst_error(OPTAX, name) <= 1e-12


@pytest.mark.parametrize("name", golden.cases(OPTAX))
def test_golden_paths_lead_somewhere(name):
    held = golden.arrays(OPTAX)
    assert np.abs(held[f"{name}/matrix"][-1] - held["start/matrix"]).max() > 1e-4


# Each loop moves the parameters p of one run, a vector, by recorded gradients gs, written from the paper.


def prodigy(
    p,
    gs,
    lr=1.0,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    estim_lr0=1e-6,
    weight_decay=0.0,
    safeguard_warmup=False,
    use_bias_correction=True,
    decouple=True,
):
    start, d, root = p.copy(), estim_lr0, beta2**0.5
    m, v, s, r = 0 * p, 0 * p, 0 * p, 0.0
    for t, g in enumerate(gs, start=1):
        g = g if decouple else g + weight_decay * p
        gamma = lr * (np.sqrt(1 - beta2**t) / (1 - beta1**t) if use_bias_correction else 1)
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g**2
        r = root * r + (1 - root) * gamma * d**2 * sum(g * (start - p))
        s = root * s + (1 - root) * (1 if safeguard_warmup else gamma) * d**2 * g
        new = max(d, r / sum(abs(s)))
        shrunk = p - gamma * d * weight_decay * p if decouple else p
        p = shrunk - gamma * d * m / (np.sqrt(v) + new * eps)
        d = new
        yield p


def dadapt_adam(
    p,
    gs,
    lr=1.0,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    estim_lr0=1e-6,
    weight_decay=0.0,
    use_bias_correction=True,
    decouple=True,
):
    d, root = estim_lr0, beta2**0.5
    m, v, s, r = 0 * p, 0 * p, 0 * p, 0.0
    for t, g in enumerate(gs, start=1):
        g = g if decouple else g + weight_decay * p
        gamma = d * lr * (np.sqrt(1 - beta2**t) / (1 - beta1**t) if use_bias_correction else 1)
        r = root * r + (1 - root) * gamma * sum(g * s / (np.sqrt(v) + eps))
        m = beta1 * m + (1 - beta1) * gamma * g
        v = beta2 * v + (1 - beta2) * g**2
        s = root * s + (1 - root) * gamma * g
        d = max(d, r / ((1 - root) * sum(abs(s))))
        p = p - m / (np.sqrt(v) + eps) - (gamma * weight_decay * p if decouple else 0)
        yield p


def mechanize(p, gs, lr=1.0, weight_decay=1e-2, eps=1e-8, s_init=1e-6, num_betas=6, **_):
    start, delta = p.copy(), 0 * p
    betas = [1 - 10.0**-k for k in range(1, num_betas + 1)]
    m, v, r, s = ([value] * num_betas for value in (0.0, 0.0, 0.0, s_init))
    for g in gs:
        whole = sum(s)
        pulled = g + weight_decay * whole * np.linalg.norm(g) / (np.linalg.norm(p) + eps) * p
        h = sum(pulled * delta)
        delta = delta + lr * g  # plain gradient descent is the base
        for i, beta in enumerate(betas):
            clipped = max(-m[i], min(h, m[i]))
            m[i] = max(beta * m[i], abs(h) + eps)
            v[i] = beta**2 * v[i] + h**2
            r[i] = beta * r[i] + clipped * s[i]
            s[i] = (s_init / num_betas * m[i] + max(0.0, r[i])) / (np.sqrt(v[i]) + eps)
        p = start - sum(s) * delta
        yield p


def averages(y, steps, lr, beta, warmup_steps, r, weight_lr_power):
    """Yield (y, x) of a schedule-free method, z, x and y written out; ``steps`` yields each z step from y and t."""
    z, x, total, largest = y.copy(), y.copy(), 0.0, 0.0
    for t, step in enumerate(steps, start=1):
        rate = lr * min(1, t / warmup_steps) if warmup_steps else lr
        largest = max(largest, rate)
        weight = t**r * largest**weight_lr_power
        total += weight
        z = z - rate * step(y, t)
        x = (1 - weight / total) * x + weight / total * z
        y = (1 - beta) * z + beta * x
        yield y, x


def schedule_free_sgd(p, gs, lr=1.0, momentum=0.9, weight_decay=0.0, warmup_steps=0, r=0.0, weight_lr_power=2.0):
    steps = [lambda y, t, g=g: g + weight_decay * y for g in gs]
    yield from averages(p, steps, lr, momentum, warmup_steps, r, weight_lr_power)


def schedule_free_adamw(
    p,
    gs,
    lr=2.5e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    warmup_steps=0,
    r=0.0,
    weight_lr_power=2.0,
):
    v, steps = 0 * p, []
    for t, g in enumerate(gs, start=1):
        v = beta2 * v + (1 - beta2) * g**2
        direction = g / (np.sqrt(v / (1 - beta2**t)) + eps)
        steps.append(lambda y, t, direction=direction: direction + weight_decay * y)
    yield from averages(p, steps, lr, beta1, warmup_steps, r, weight_lr_power)


LOOPS = [
    ("prodigy", {}),
    ("prodigy", {"use_bias_correction": False, "estim_lr0": 1e-3}),
    ("prodigy", {"use_bias_correction": False, "decouple": False, "weight_decay": 0.1, "estim_lr0": 1e-2}),
    ("prodigy", {"lr": 0.5, "beta1": 0.5, "beta2": 0.9, "safeguard_warmup": True, "estim_lr0": 1e-3, "eps": 1e-3}),
    ("dadapt_adam", {}),
    ("dadapt_adam", {"use_bias_correction": False, "estim_lr0": 1e-2}),
    ("dadapt_adam", {"decouple": False, "weight_decay": 0.1, "estim_lr0": 1e-2, "lr": 0.5, "beta2": 0.9}),
    ("mechanize", {"base": "sgd", "store_delta": True}),
    ("mechanize", {"base": "sgd", "store_delta": True, "lr": 0.5, "s_init": 1e-3, "num_betas": 2, "weight_decay": 0.1}),
    ("schedule_free_sgd", {"lr": 0.1}),
    ("schedule_free_sgd", {"lr": 0.1, "momentum": 0.5, "warmup_steps": 30, "r": 1.5, "weight_lr_power": 1.0}),
    ("schedule_free_sgd", {"lr": 0.1, "weight_decay": 0.1, "warmup_steps": 1, "weight_lr_power": 0.0}),
    ("schedule_free_adamw", {}),
    ("schedule_free_adamw", {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "warmup_steps": 30, "r": 1.0, "weight_decay": 0.1}),
    ("schedule_free_adamw", {"lr": 0.1, "eps": 0.1, "weight_lr_power": 0.5, "warmup_steps": 7}),
]


@pytest.mark.parametrize(("name", "fields"), LOOPS)
def test_agrees_with_its_paper_as_a_plain_loop(name, fields):
    start, gradients = recorded(1, 7, 100)
    update = chain(optimizer_class(name)(**fields), start)
    for t, expected in enumerate(globals()[name](start[0], gradients[:, 0], **fields), start=1):
        update.gradients.flat[...] = gradients[t - 1]
        update.step(t)
        trained, evaluated = expected if isinstance(expected, tuple) else (expected, None)
        assert relative(update.parameters.flat, trained[None]) <= 1e-12
        if evaluated is not None:
            assert relative(update.evaluation_point(), evaluated[None]) <= 1e-12
    assert relative(update.parameters.flat, start) > 1e-3


@pytest.mark.parametrize("name", FREE)
def test_references_set_every_field(name):
    defaults = optimizer_class(name).defaults()
    settings = [case["fields"] for case in golden.cases(OPTAX).values() if case["optimizer"] == name]
    settings += [fields for of, fields in LOOPS if of == name]
    assert {key for fields in settings for key, value in fields.items() if value != defaults[key]} == set(defaults)


@pytest.mark.parametrize("name", ["prodigy", "dadapt_adam", "dog", "dowg", "mechanize"])
def test_one_number_a_run_serves_all_its_tensors(name):
    start, gradients = recorded(1, 8, 40)
    split = run(name, start, gradients)
    update = chain(optimizer_class(name)(), start)
    update.parameters.shapes = update.gradients.shapes = {"one": (8,)}
    assert np.array_equal(follow(update, gradients), split)
    first = run(name, start[:, :4], gradients[:, :, :4])
    assert relative(first, split[:, :, :4]) > 1e-9


@pytest.mark.parametrize("name", ["prodigy", "dadapt_adam", "dog", "dowg", "mechanize"])
def test_finds_the_scale_of_the_problem_itself(name):
    for scale in (0.03, 3.0):
        center = scale * np.array([1.0, -2.0, 0.5])
        path = trace(name, lambda x, c=center: x - c, [0.0, 0.0, 0.0], 3000)
        assert np.abs(path[-1] - center).max() < 0.05 * scale


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_the_average_is_evaluated_and_training_goes_on_elsewhere(name):
    start, gradients = recorded(2, 6, 10)
    update = chain(optimizer_class(name)(lr=0.1), start)
    assert np.array_equal(update.evaluation_point(), start)
    follow(update, gradients)
    trained = update.parameters.flat.copy()
    with update.evaluating():
        assert relative(update.parameters.flat, trained) > 1e-3
    assert np.array_equal(update.parameters.flat, trained)


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_weights_go_on_across_tables_and_follow_the_schedule(name):
    steps = TABLE + 40
    start, gradients = recorded(1, 3, steps)
    fields = {"lr": 0.01, "r": 1.0, "warmup_steps": 20}
    expected = list(globals()[name](start[0], gradients[:, 0], **fields))[-1]
    assert relative(run(name, start, gradients, **fields)[-1], expected[0][None]) <= 1e-11

    class Once(Falling):
        def factor(self, t, total):
            return np.where(t <= 25, 1.0, 0.5)

    # the largest lr so far keeps the weights; only the steps of z shrink
    falling = chain(optimizer_class(name)(lr=0.01), start, schedule=Once())
    follow(falling, gradients[:60])
    assert falling.state["rule/lr_max"].tolist() == [[0.01]]
    assert abs(falling.state["rule/weight_sum"][0, 0] / (60 * 0.01**2) - 1) <= 1e-12


def test_dogs_first_step_is_what_init_step_says():
    start, gradients = recorded(1, 6, 1)
    size = np.linalg.norm(gradients[0])
    for kind, length in [
        ("heuristic", 1e-3 * (1 + np.linalg.norm(start))),
        ("distance", 1e-3),
        ("learning_rate", 1e-3 * size),
    ]:
        moved = run("dog", start, gradients, init_step=kind, init_step_value=1e-3, eps=1e-30)[0] - start
        assert abs(np.linalg.norm(moved) / length - 1) < 1e-9


@pytest.mark.parametrize("base", ["adam", "momentum", "lamb", "adagrad", "mechanize"])
def test_mechanic_takes_any_base_with_a_learning_rate(base):
    path = trace("mechanize", lambda x: x - 1, [0.0, 3.0], 2000, base=base)
    assert np.abs(path[-1] - 1).max() < 0.1


@pytest.mark.parametrize("base", ["cocob", "lbfgs", "sam", "polyak_sgd", "schedule_free_sgd", "nadam"])
def test_mechanic_refuses_a_base_it_cannot_scale(base):
    with pytest.raises(InputError, match=f"mechanize: base={base} cannot be scaled: choose one with a learning rate"):
        optimizer_class("mechanize")(base=base)


def test_mechanic_names_the_nearest_base():
    with pytest.raises(InputError, match=r"adagard.*adagrad"):
        optimizer_class("mechanize")(base="adagard")


def test_cocob_says_why_it_has_no_lr():
    with pytest.raises(InputError, match=r"optimizer\.lr: cocob computes each parameter's step size itself"):
        optimizer_class("cocob").resolve({"lr": 0.1}, "optimizer")
