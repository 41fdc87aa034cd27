"""Write the golden trajectories of optimizers that evaluate the loss, or read it, within a step.

Run it from the project's root in an environment with torch and optax::

    python scripts/reference/make_closure.py

It writes ``optimizers_closure.npz`` and ``optimizers_closure.json``. The problem is a valley whose tilt c_t changes at
each step, like the loss from batch to batch; each library computes the derivatives itself::

    f_t(x) = sum w_i x_i^2 / 2 + sum (x_{i+1} - x_i^2)^2 + <c_t, x>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import arguments, write_golden
from make_torch import SEED

STEPS = 40
SIZE = 6

SGD = {"learning_rate": 0.02}
SHORT = {"lbfgs-defaults": 3, "lbfgs-settings": 17, "lbfgs-fixed": 20}
"""Number of steps of cases that end before rounding errors, which feedback amplifies, become visible.

L-BFGS reaches the minimum of each tilt.
"""

CASES: list[dict[str, Any]] = [
    {"name": "lbfgs-defaults", "library": "torch", "kwargs": {"line_search_fn": "strong_wolfe"}},
    {"name": "lbfgs-one", "library": "torch", "kwargs": {"line_search_fn": "strong_wolfe", "max_iter": 1}},
    {
        "name": "lbfgs-settings",
        "library": "torch",
        "kwargs": {
            "line_search_fn": "strong_wolfe",
            "lr": 0.3,
            "max_iter": 3,
            "max_eval": 6,
            "tolerance_grad": 1e-3,
            "tolerance_change": 1e-5,
            "history_size": 4,
        },
    },
    {"name": "lbfgs-long", "library": "torch", "kwargs": {"line_search_fn": "strong_wolfe", "lr": 50.0, "max_iter": 4}},
    {"name": "lbfgs-fixed", "library": "torch", "kwargs": {"lr": 0.5, "max_iter": 4, "history_size": 5}},
    {"name": "lbfgs-fixed_once", "library": "torch", "kwargs": {"lr": 0.3, "max_iter": 1, "history_size": 3}},
    {"name": "sam-defaults", "library": "sam", "rho": 0.05, "kwargs": SGD},
    {"name": "sam-momentum", "library": "sam", "rho": 0.3, "kwargs": {**SGD, "momentum": 0.9}},
    {"name": "sam-nesterov", "library": "sam", "rho": 0.1, "kwargs": {**SGD, "momentum": 0.8, "nesterov": True}},
    {"name": "polyak_sgd-defaults", "library": "polyak", "kwargs": {}},
    {
        "name": "polyak_sgd-bounded",
        "library": "polyak",
        "kwargs": {"max_learning_rate": 0.05, "f_min": 0.2, "eps": 0.1},
    },
    {"name": "polyak_sgd-positive", "library": "polyak", "kwargs": {"variant": "sps+", "f_min": 0.5}},
]


def value(x: Any, w: Any, c: Any) -> Any:
    """Return f_t(x) for the weights w and the tilt c, which are arrays of any library."""
    return (w * x**2).sum() / 2 + ((x[1:] - x[:-1] ** 2) ** 2).sum() + (c * x).sum()


def by_torch(case: dict[str, Any], start: np.ndarray, w: np.ndarray, tilts: np.ndarray) -> np.ndarray:
    """Return torch's points after each step, shape ``(len(tilts), SIZE)``."""
    import torch

    x = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], **case["kwargs"])

    def closure_of(tilt: np.ndarray) -> Callable[[], Any]:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = value(x, torch.tensor(w), torch.tensor(tilt))
            loss.backward()
            return loss

        return closure

    path = []
    for tilt in tilts:
        optimizer.step(closure_of(tilt))
        path.append(x.detach().numpy().copy())
    return np.array(path)


def by_optax(case: dict[str, Any], start: np.ndarray, w: np.ndarray, tilts: np.ndarray) -> np.ndarray:
    """Return optax's points after each step, shape ``(len(tilts), SIZE)``."""
    import jax
    import optax

    sam = case["library"] == "sam"
    if sam:
        adversary = optax.chain(optax.contrib.normalize(), optax.sgd(case["rho"]))
        optimizer = optax.contrib.sam(optax.sgd(**case["kwargs"]), adversary, opaque_mode=True)
    else:
        optimizer = optax.polyak_sgd(**case["kwargs"])
    x = jax.numpy.asarray(start)
    state, path = optimizer.init(x), []
    for tilt in tilts:
        loss, slope = jax.value_and_grad(value)(x, w, tilt)
        more = {"grad_fn": lambda x, _, c=tilt: jax.grad(value)(x, w, c)} if sam else {"value": loss}
        updates, state = optimizer.update(slope, state, x, **more)
        x = optax.apply_updates(x, updates)
        path.append(np.asarray(x))
    return np.array(path)


def main() -> None:
    """Write both files."""
    import jax

    out = arguments(__doc__).parse_args().out
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    rng = np.random.default_rng(SEED)
    start, w = rng.uniform(-1.5, 1.5, SIZE), np.geomspace(0.1, 3, SIZE)
    tilts = 0.1 * rng.standard_normal((STEPS, SIZE))
    arrays = {"start": start, "weights": w, "tilts": tilts}
    for case in CASES:
        run = by_torch if case["library"] == "torch" else by_optax
        arrays[case["name"]] = run(case, start, w, tilts[: SHORT.get(case["name"], STEPS)])
    write_golden(
        out / "optimizers_closure",
        arrays,
        CASES,
        made_by="scripts/reference/make_closure.py",
        libraries=("torch", "optax", "jax"),
        seed=SEED,
        steps=STEPS,
        what="the point after each step on a valley with another tilt in each step; jax not compiled, on the CPU",
    )


if __name__ == "__main__":
    main()
