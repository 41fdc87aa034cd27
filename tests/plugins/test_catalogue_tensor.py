"""Optimizers that see whole tensors, against torch's and optax's golden files and loops written from the papers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensor_loops
from chains import optimizer_class
from places import REFERENCE
from tensor_paths import NAMES, SHAPES, drawn, paths, worst

STEPS = 100
GOLDEN = {
    library: json.loads((REFERENCE / f"optimizers_{library}_tensor.json").read_text()) for library in ("torch", "optax")
}
CASES = {case["name"]: (library, case) for library, made in GOLDEN.items() for case in made["cases"]}


@pytest.fixture(scope="module")
def golden():
    found = {}
    for library in GOLDEN:
        with np.load(REFERENCE / f"optimizers_{library}_tensor.npz") as arrays:
            found[library] = dict(arrays)
    return found


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_golden_file_at_every_step(name, golden):
    library, case = CASES[name]
    arrays = golden[library]
    start = {key.removeprefix("start/"): value[None] for key, value in arrays.items() if key.startswith("start/")}
    gradients = {tensor: arrays[f"gradients/{tensor}"][:, None] for tensor in start}
    path = paths(case["optimizer"], start, gradients, case["fields"])
    assert len(path["matrix"]) == STEPS
    compared = [tensor for tensor in start if f"{name}/{tensor}" in arrays]
    assert compared == (["matrix", "wide"] if case["turned"] else list(start))
    for tensor in compared:
        expected = arrays[f"{name}/{tensor}"]
        every = 10 if tensor in ("kernel", "wide") else 1
        assert len(expected) == STEPS // every
        assert worst(path[tensor][every - 1 :: every, 0], expected) <= 1e-12, tensor


LOOPS = {
    "muon": [
        {},
        {"lr": 0.05, "momentum": 0.7, "nesterov": False, "weight_decay": 0.3, "ns_steps": 3},
        {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw", "ns": (2.0, -1.5, 0.5), "eps": 3.0},
        {"lr": 0.02, "adam_betas": (0.7, 0.9), "adam_eps": 1e-2},
    ],
    "shampoo": [
        {},
        {"lr": 0.03, "momentum": 0.9, "weight_decay": 0.1, "eps": 0.1},
        {"lr": 0.03, "precondition_every": 7, "eps": 0.5},
        {"lr": 0.05, "max_size": 3, "eps": 1e-2},
    ],
    "soap": [
        {},
        {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "shampoo_beta": 0.7, "eps": 1e-3, "precondition_frequency": 3},
        {"lr": 0.02, "weight_decay": 0.2, "correct_bias": False, "precondition_frequency": 1},
        {"lr": 0.02, "normalize_grads": True, "max_precond_dim": 3, "precondition_frequency": 4},
    ],
    "came": [
        {},
        {"lr": 0.02, "beta1": 0.7, "beta2": 0.9, "beta3": 0.95, "weight_decay": 0.2},
        {"lr": 0.02, "eps1": 0.5, "eps2": 1e-2, "clip_threshold": 0.3},
    ],
}


def ours(fields):
    """Return a plain loop's settings as our fields."""
    given = dict(fields)
    if "ns" in given:
        given["ns_a"], given["ns_b"], given["ns_c"] = given.pop("ns")
    if "adam_betas" in given:
        given["adam_beta1"], given["adam_beta2"] = given.pop("adam_betas")
    return given


@pytest.mark.parametrize(("name", "fields"), [(name, fields) for name, many in LOOPS.items() for fields in many])
def test_agrees_with_a_plain_loop_at_every_step(name, fields):
    known = ("matrix", "vector", "kernel") + ("wide",) * (name != "soap")  # SOAP's first basis of an axis of 7 is free
    shapes = {tensor: SHAPES[tensor] for tensor in known}
    start, gradients = drawn(shapes, 1, STEPS)
    path = paths(name, start, gradients, ours(fields))
    for tensor in shapes:
        expected = list(getattr(tensor_loops, name)(start[tensor][0], gradients[tensor][:, 0], **fields))
        assert worst(path[tensor][:, 0], np.array(expected)) <= 1e-12, tensor


def test_soap_turns_vectors_when_asked():
    start, gradients = drawn({"vector": (2,)}, 1, STEPS)
    fields = {"precondition_1d": True, "lr": 0.02, "precondition_frequency": 3}
    path = paths("soap", start, gradients, fields)["vector"][:, 0]
    expected = np.array(list(tensor_loops.soap(start["vector"][0], gradients["vector"][:, 0], **fields)))
    assert worst(path, expected) <= 1e-12
    plain = np.array(
        list(tensor_loops.adam(start["vector"][0], gradients["vector"][:, 0], 0.02, 0.95, 0.95, 1e-8, 0.01, 1))
    )
    assert worst(paths("soap", start, gradients, {"lr": 0.02})["vector"][:, 0], plain) <= 1e-12
    assert worst(path, plain) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_references_set_every_field(name):
    defaults = optimizer_class(name).defaults()
    tried = [case["fields"] for _, case in CASES.values() if case["optimizer"] == name]
    tried += [ours(fields) for fields in LOOPS.get(name, [])] + [{"precondition_1d": True}] * (name == "soap")
    moved = {field for fields in tried for field, value in fields.items() if value != defaults[field]}
    assert moved == set(defaults)


def test_muon_makes_singular_values_nearly_one():
    start, gradients = drawn({"matrix": (9, 5)}, 1, 1)
    path = paths("muon", start, gradients, {"weight_decay": 0.0, "lr": 1.0})
    values = np.linalg.svd(path["matrix"][0, 0] - start["matrix"][0], compute_uv=False)
    assert (values > 0.6).all()
    assert (values < 1.3).all()
    assert np.linalg.cond(gradients["matrix"][0, 0]) > 3
