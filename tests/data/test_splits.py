"""`split`: each of two optimizers works as it would alone on its own tensors."""

from __future__ import annotations

import numpy as np
import pytest
from chains import Falling, follow, optimizer_class, recorded

from framework.base.parameters import Parameters
from framework.errors import InputError
from framework.training.update import Update

SHAPES = {"1_dense/weight": (4, 3), "1_dense/bias": (3,), "2_conv2d/weight": (2, 2, 3, 2), "3_dense/weight": (2, 5)}
SIZE = 12 + 3 + 24 + 10
PAIRS = [
    {"matrices": "sgd", "rest": "adam"},
    {"matrices": "muon", "rest": "adamw"},
    {"matrices": "lamb", "rest": "schedule_free_sgd"},
    {"matrices": "schedule_free_adamw", "rest": "sgd", "rest_with": "momentum=0.9 nesterov=true"},
    {"matrices": "adam", "matrices_with": "beta1=0.5, amsgrad=true", "rest": "prodigy", "names": "^(1|3)_"},
]


def chain(optimizer, start, shapes=SHAPES):
    parameters = Parameters(shapes, len(start), start.dtype)
    parameters.flat[...] = start
    return Update(optimizer, parameters, parameters.like(), schedule=Falling())


def part_of(flat, names):
    """Return the columns of ``flat (…, SIZE)`` that hold the tensors ``names``."""
    whole = Parameters(SHAPES, 1, np.float64)
    return np.concatenate([flat[..., whole.slices[name]] for name in names], axis=-1)


def evaluated(update):
    with update.evaluating():
        return update.parameters.flat.copy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("names", "matrices"),
    [
        ("", ["1_dense/weight", "2_conv2d/weight", "3_dense/weight"]),
        ("conv", ["1_dense/weight", "3_dense/weight"]),
        ("^(1|3)_", ["2_conv2d/weight"]),
        ("weight", []),
    ],
)
@pytest.mark.parametrize("pair", [("muon", "adamw"), ("schedule_free_sgd", "prodigy"), ("sgd", "schedule_free_adamw")])
def test_each_part_is_what_its_optimizer_makes_of_its_tensors_alone(pair, names, matrices, dtype):
    start, gradients = recorded(2, SIZE, 15, dtype=dtype)
    rates, rest_rates = [0.02, 0.05], [0.1, 0.3]
    split = optimizer_class("split")(matrices=pair[0], rest=pair[1], names=names, lr=rates, rest_lr=rest_rates)
    update = chain(split, start)
    path = follow(update, gradients)
    rest = [name for name in SHAPES if name not in matrices]
    for name, lr, own in ((pair[0], rates, matrices), (pair[1], rest_rates, rest)):
        if own:
            alone = chain(optimizer_class(name)(lr=lr), part_of(start, own), {key: SHAPES[key] for key in own})
            assert np.array_equal(follow(alone, part_of(gradients, own)), part_of(path, own))
            assert np.array_equal(evaluated(alone), part_of(evaluated(update), own))
    assert update.parameters.dtype == dtype


def test_fields_by_name_reach_their_part():
    start, gradients = recorded(1, SIZE, 10)
    fields = {"matrices": "sgd", "rest": "adam", "lr": 0.02, "rest_lr": 0.1}
    words = {"matrices_with": "momentum=0.9,nesterov=true", "rest_with": "beta1=5e-1 weight_decay=1"}
    path = follow(chain(optimizer_class("split")(**fields, **words), start), gradients)
    matrices = [name for name, shape in SHAPES.items() if len(shape) > 1]
    sgd = optimizer_class("sgd")(lr=0.02, momentum=0.9, nesterov=True)
    adam = optimizer_class("adam")(lr=0.1, beta1=0.5, weight_decay=1)
    for made, own in ((sgd, matrices), (adam, ["1_dense/bias"])):
        alone = follow(chain(made, part_of(start, own), {key: SHAPES[key] for key in own}), part_of(gradients, own))
        assert np.array_equal(alone, part_of(path, own))


@pytest.mark.parametrize("fields", PAIRS)
def test_a_run_has_the_same_bits_alone_and_a_diverged_one_harms_nobody(fields):
    start, gradients = recorded(3, SIZE, 12)
    rates = [0.01, 0.02, 0.03]
    together = follow(chain(optimizer_class("split")(lr=rates, **fields), start), gradients)
    for place in range(3):
        one = slice(place, place + 1)
        alone = chain(optimizer_class("split")(lr=rates[place], **fields), start[one])
        assert np.array_equal(follow(alone, gradients[:, one]), together[:, one])
    gradients[4, 1] = np.nan
    mixed = follow(chain(optimizer_class("split")(lr=rates, **fields), start), gradients)
    assert np.isnan(mixed[-1, 1]).all()
    assert np.array_equal(mixed[:, [0, 2]], together[:, [0, 2]])


@pytest.mark.parametrize("fields", PAIRS)
def test_n_plus_m_steps_are_n_then_restore_then_m(fields):
    start, gradients = recorded(2, SIZE, 20)
    optimizer = optimizer_class("split")(**fields)
    unbroken = chain(optimizer, start)
    path = follow(unbroken, gradients)
    first = chain(optimizer, start)
    follow(first, gradients[:13])
    saved, stood = {key: array.copy() for key, array in first.state.items()}, first.parameters.flat.copy()
    second = chain(optimizer_class("split")(**fields), stood)
    second.restore(saved)
    assert np.array_equal(follow(second, gradients[13:], first=14), path[13:])
    assert np.array_equal(evaluated(second), evaluated(unbroken))
    assert all(len(array) == 2 for array in saved.values())


def test_one_object_serves_two_chains():
    start, gradients = recorded(2, SIZE, 8)
    optimizer = optimizer_class("split")()
    one, other = chain(optimizer, start), chain(optimizer, start)
    for step, gradient in enumerate(gradients, start=1):
        one.gradients.flat[...] = other.gradients.flat[...] = gradient
        one.step(step)
        other.step(step)
        assert np.array_equal(one.parameters.flat, other.parameters.flat)
        assert np.array_equal(one.gradients.flat, gradient)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"matrices": "mun"}, "no optimizer is called mun; did you mean muon?"),
        ({"rest": "cocob"}, "rest=cocob has no learning rate for rest_lr to set"),
        ({"matrices": "sam"}, "matrices=sam uses the loss of the whole model"),
        ({"rest": "lbfgs"}, "rest=lbfgs uses the loss"),
        ({"names": "("}, "names=( is not a regular expression: missing )"),
        ({"rest_with": "beta1"}, "rest_with=beta1: beta1 must be like weight_decay=0.1"),
        ({"rest_with": "lr=2"}, "lr is set by rest_lr"),
        ({"rest_with": "beta1=2"}, "rest_with.beta1=2 is out of range: it must be in [0, 1)"),
        ({"rest_with": "amsgrad=maybe"}, "rest_with.amsgrad=maybe is not true or false"),
        ({"matrices_with": "momentm=0"}, "matrices_with.momentm: muon has no such field; did you mean momentum"),
    ],
)
def test_what_cannot_be_a_part_is_refused(fields, message):
    with pytest.raises(InputError) as caught:
        optimizer_class("split").resolve(fields, "optimizer")
    assert message in str(caught.value)
    assert str(caught.value).startswith("optimizer: ")


def test_parts_know_the_runs_seeds():
    for name in ("split", "mechanize"):
        made = optimizer_class(name)()
        made.seeds = [3, 1]
        parts = list(made.parts.values()) if name == "split" else [made.inside]
        assert [list(part.seeds) for part in parts] == [[3, 1]] * len(parts)
