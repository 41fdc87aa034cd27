"""What holds for every other library's optimizers: names, messages, and Adam beside Adam on the digits."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from chains import optimizer_class
from extras import extra
from runs import config, trained

from framework.errors import InputError
from plugins.optimizers.bridges import optax_bridge, torch_bridge


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("torch/adam", {"beta1": 1.5}, "optimizer: Invalid beta parameter at index 0: 1.5"),
        ("torch/adam", {"lr": 0}, r"optimizer.lr=0 is out of range: it must be > 0"),
        ("torch/sgd", {"nesterov": True}, "optimizer: Nesterov momentum requires a momentum and zero dampening"),
        ("torch/adam", {"betas": 0.9}, "optimizer.betas: torch/adam has no such field; did you mean beta2, beta1"),
        ("optax/adam", {"learning_rate": 0.1}, "optimizer.learning_rate: optax/adam has no such field"),
    ],
)
def test_what_the_library_refuses_is_refused_in_one_line(name, fields, message):
    extra(name.partition("/")[0])
    with pytest.raises(InputError, match=message):
        optimizer_class(name).resolve(fields, "optimizer")


@pytest.mark.parametrize("name", ["torch/adam", "optax/adam"])
def test_adam_of_the_other_library_learns_the_digits_as_ours_does(name):
    extra(name.partition("/")[0])
    whole = {"dataset": {"name": "digits"}, "epochs": 2}
    ours = trained(config(optimizer={"name": "adam", "lr": 0.01}, **whole))[0].history
    theirs = trained(config(optimizer={"name": name, "lr": 0.01}, **whole))[0].history
    other = trained(config(optimizer={"name": "adam", "lr": 0.0101}, **whole))[0].history
    for key in ("train/loss", "val/loss"):
        for mine, yours, moved in zip(ours, theirs, other, strict=True):
            assert math.isclose(mine[key], yours[key], rel_tol=1e-5)
            assert not math.isclose(mine[key], moved[key], rel_tol=1e-3)


def test_nothing_is_imported_to_list_them():
    code = (
        "import sys; from framework.registry import manager; manager.current().names('optimizer'); print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "plugins.optimizers.bridges.torch_bridge" in found
    assert not {"torch", "jax", "optax"} & set(found)


@pytest.mark.parametrize("bridge", [torch_bridge, optax_bridge])
def test_without_the_library_nothing_is_registered(bridge, monkeypatch):
    monkeypatch.setattr(bridge, "package_folder", lambda name: None)
    assert not list(bridge.register_optimizers())
