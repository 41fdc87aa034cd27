"""The memory of torch's L-BFGS as arrays, for checkpoints: torch keeps it in lists and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import Parameters, State

COUNTS = ("n_iter", "func_evals", "pairs")
"""Whole numbers: iterations, evaluations, and pairs in the history."""
VECTORS = ("d", "prev_flat_grad")
LISTS = {"old_dirs": True, "old_stps": True, "ro": False}
"""torch's lists, by name, and whether their elements are vectors; others are numbers."""
NUMBERS = ("t", "prev_loss")
SCALE = "H_diag"


def arrays(parameters: Parameters, history: int) -> State:
    """Return arrays of zeros for the memory of R runs, for at most ``history`` pairs."""
    runs, size, dtype = parameters.runs, parameters.size, parameters.dtype
    state: State = {f"history/{name}": np.zeros((runs, 1), dtype=np.int64) for name in COUNTS}
    state |= {f"history/{name}": np.zeros((runs, 1)) for name in NUMBERS}
    state |= {f"history/{name}": np.zeros((runs, size), dtype=dtype) for name in VECTORS}
    for name, long in LISTS.items():
        state[f"history/{name}"] = np.zeros((runs, history, size) if long else (runs, history), dtype=dtype)
    return {**state, f"history/{SCALE}": np.zeros((runs, 1), dtype=dtype)}


def write(held: dict[str, Any], state: State, row: int) -> None:
    """Copy a run's memory from torch's state ``held`` to the arrays."""
    for name in ("n_iter", "func_evals"):
        state[f"history/{name}"][row] = held[name]
    if not held["n_iter"]:
        return  # torch has seen zero gradients only, and holds nothing else
    for name in (*NUMBERS, SCALE):
        state[f"history/{name}"][row] = float(held[name])
    for name in VECTORS:
        state[f"history/{name}"][row] = held[name].numpy()
    state["history/pairs"][row] = len(held["ro"])
    for name in LISTS:
        for place, value in enumerate(held[name]):
            state[f"history/{name}"][row, place] = value.numpy()


def read(state: State, row: int) -> dict[str, Any]:
    """Return a run's memory in the form of torch's state."""
    import torch

    held: dict[str, Any] = {name: int(state[f"history/{name}"][row, 0]) for name in ("n_iter", "func_evals")}
    if not held["n_iter"]:
        return held
    held |= {name: float(state[f"history/{name}"][row, 0]) for name in NUMBERS}
    for name in VECTORS:
        held[name] = torch.from_numpy(state[f"history/{name}"][row].copy())
    pairs = int(state["history/pairs"][row, 0])
    for name in LISTS:
        held[name] = [torch.from_numpy(np.array(value)) for value in state[f"history/{name}"][row, :pairs]]
    return {**held, SCALE: torch.tensor(state[f"history/{SCALE}"][row, 0])}
