"""Golden trajectories: their cases, and the errors of our optimizers relative to them."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
from chains import Constant, optimizer_class
from places import REFERENCE

from framework.base.parameters import Parameters
from framework.registry import manager
from framework.training.update import Update


def cases(stem):
    """Return the cases in ``tests/reference/STEM.json`` by name."""
    return {case["name"]: case for case in provenance(stem)["cases"]}


@cache
def provenance(stem):
    """Return the content of ``tests/reference/STEM.json``."""
    return json.loads((REFERENCE / f"{stem}.json").read_text())


@cache
def arrays(stem):
    """Return the arrays in ``tests/reference/STEM.npz`` by name."""
    with np.load(REFERENCE / f"{stem}.npz") as held:
        return dict(held)


def worst_error(stem, name):
    """Return the largest value of max |difference| / max |golden| over tensors and steps; NaN if any value is NaN."""
    case, held = cases(stem)[name], arrays(stem)
    tensors = [key.removeprefix("start/") for key in held if key.startswith("start/")]
    parameters = Parameters({tensor: held[f"start/{tensor}"].shape for tensor in tensors}, 1, np.float64)
    for tensor in tensors:
        parameters.views[tensor][0] = held[f"start/{tensor}"]
    stages = [manager.find("stage", key).cls(**fields) for key, fields in case["stages"].items()]
    optimizer = optimizer_class(case["optimizer"])(**case["fields"])
    update = Update(optimizer, parameters, parameters.like(), schedule=Constant(), stages=stages)
    errors = []
    for step in range(provenance(stem)["steps"]):
        for tensor in tensors:
            update.gradients.views[tensor][0] = held[f"gradients/{tensor}"][step]
        update.step(step + 1)
        for tensor in tensors:
            expected = held[f"{name}/{tensor}"][step]
            errors.append(np.abs(parameters.views[tensor][0] - expected).max() / np.abs(expected).max())
    return np.max(errors)  # unlike max(), np.max returns NaN if any error is NaN
