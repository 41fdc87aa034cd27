"""Torch's optimizers on Rosenbrock's function, where the gradients depend on the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

START = [-1.2, 1.0, 0.7]
BOUND = 1e-9
"""Largest difference of two paths, relative to the largest parameter of the step: rounding errors grow on the way."""


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """Return the gradient of sum 100 (x[i + 1] - x[i]^2)^2 + (1 - x[i])^2."""
    gradient = np.zeros_like(x)
    inner = x[1:] - x[:-1] ** 2
    gradient[:-1] = -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    gradient[1:] += 200 * inner
    return gradient


def path_by_torch(name: str, fields: dict[str, Any], steps: int) -> np.ndarray:
    """Return the points of torch's optimizer ``name`` from `START`, shape ``(steps + 1, 3)``."""
    import torch

    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([x], foreach=False, **fields)
    path = [x.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum().backward()
        optimizer.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)


def assert_same_path(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Hold two paths, ``(steps + 1, 3)``, to `BOUND` at every step, and ours to a move from the start."""
    error = np.abs(ours - theirs).max(axis=1) / np.abs(theirs).max(axis=1)
    assert error.max() <= BOUND
    assert np.abs(ours[-1] - ours[0]).max() > 0.01
