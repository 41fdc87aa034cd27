"""Golden trajectories: their cases, and how far ours are from them."""

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
    """Return the cases of ``tests/reference/STEM.json`` by name."""
    return {case["name"]: case for case in provenance(stem)["cases"]}


@cache
def provenance(stem):
    return json.loads((REFERENCE / f"{stem}.json").read_text())


@cache
def arrays(stem):
    with np.load(REFERENCE / f"{stem}.npz") as held:
        return dict(held)


def worst_error(stem, name):
    """Return the largest max |difference| / max |golden| of any tensor at any step."""
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
    return np.max(errors)  # NaN where there is one
