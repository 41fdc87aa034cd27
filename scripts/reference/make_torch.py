"""Write the golden trajectories in tests/reference: torch's parameters under recorded gradients.

Run it from the project's root in an environment with torch::

    python scripts/reference/make_torch.py

It writes ``optimizers_torch.npz`` and ``optimizers_torch.json``, which has the cases and their provenance, and the same
for each ``torch_cases_FAMILY.py`` next to it, as ``optimizers_torch_FAMILY``. After adding a case to ``CASES``, run it
again; the tests find the case automatically. The gradients do not depend on the parameters, so rounding errors do not
grow and every step can be compared to the last bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import TorchCase, arguments, families, write_golden
from cases import same_as_torch as same

STEPS = 100
SEED = 20261122
SHAPES = {"matrix": (3, 2), "vector": (3,)}


CASES = [
    same("sgd", "SGD", "defaults"),
    same("sgd", "SGD", "weight_decay", lr=0.1, weight_decay=0.01),
    same("sgd", "SGD", "momentum", lr=0.05, momentum=0.9),
    same("sgd", "SGD", "dampening", lr=0.05, momentum=0.9, dampening=0.3),
    same("sgd", "SGD", "dampening_alone", lr=0.05, dampening=0.3),
    same("sgd", "SGD", "nesterov", lr=0.05, momentum=0.95, nesterov=True),
    same("sgd", "SGD", "all", lr=0.02, momentum=0.8, weight_decay=0.1, nesterov=True),
    same("sgd", "SGD", "all_dampened", lr=0.02, momentum=0.8, weight_decay=0.1, dampening=0.5),
    same("rmsprop", "RMSprop", "defaults"),
    same("rmsprop", "RMSprop", "settings", lr=3e-3, alpha=0.9, eps=1e-4, weight_decay=0.05),
    same("rmsprop", "RMSprop", "momentum", lr=3e-3, momentum=0.9),
    same("rmsprop", "RMSprop", "centered", lr=3e-3, centered=True),
    same("rmsprop", "RMSprop", "all", lr=3e-3, alpha=0.95, momentum=0.8, centered=True, weight_decay=0.05),
    same("adagrad", "Adagrad", "defaults"),
    same("adagrad", "Adagrad", "lr_decay", lr=0.1, lr_decay=0.05),
    same("adagrad", "Adagrad", "initial", lr=0.1, initial_accumulator_value=0.5, eps=1e-3),
    same("adagrad", "Adagrad", "all", lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1, weight_decay=0.05),
    same("adam", "Adam", "defaults"),
    same("adam", "Adam", "settings", lr=0.02, betas=(0.8, 0.95), eps=1e-3),
    same("adam", "Adam", "no_memory", lr=0.02, betas=(0.0, 0.0)),
    same("adam", "Adam", "weight_decay", lr=0.02, weight_decay=0.05),
    same("adam", "Adam", "amsgrad", lr=0.02, betas=(0.9, 0.9), amsgrad=True),
    same("adam", "Adam", "all", lr=0.02, betas=(0.7, 0.9), eps=1e-5, weight_decay=0.05, amsgrad=True),
    TorchCase(
        "adamw",
        "AdamW",
        {"lr": 0.02, "weight_decay": 0.1},
        "adam",
        {"lr": 0.02},
        {"decoupled_weight_decay": {"weight_decay": 0.1}},
    ),
    same("adamax", "Adamax", "defaults"),
    same("adamax", "Adamax", "settings", lr=0.02, betas=(0.8, 0.95), eps=1e-3),
    same("adamax", "Adamax", "weight_decay", lr=0.02, weight_decay=0.05),
    same("adadelta", "Adadelta", "defaults"),
    same("adadelta", "Adadelta", "settings", lr=3.0, rho=0.95, eps=1e-4),
    same("adadelta", "Adadelta", "weight_decay", lr=2.0, weight_decay=0.05),
]


def recorded() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the starting points, and the gradients ``(STEPS, *shape)``: scales from 1e-3 to 10, some exact zeros."""
    rng = np.random.default_rng(SEED)
    start, gradients = {}, {}
    for name, shape in SHAPES.items():
        start[name] = rng.standard_normal(shape)
        sizes = 10.0 ** rng.uniform(-3, 1, shape)
        gradients[name] = sizes * (rng.standard_normal((STEPS, *shape)) + 0.5)
        gradients[name][rng.random((STEPS, *shape)) < 0.05] = 0.0
    return start, gradients


def trajectory(
    case: TorchCase, start: dict[str, np.ndarray], gradients: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return torch's parameters after each step, shape ``(STEPS, *shape)`` per tensor."""
    import torch

    torch.set_default_dtype(torch.float64)  # some of torch's optimizers keep scalar state in the default dtype
    tensors = {name: torch.tensor(value).requires_grad_() for name, value in start.items()}
    optimizer = getattr(torch.optim, case.torch)(list(tensors.values()), foreach=False, **case.kwargs)
    path = {name: np.empty((STEPS, *value.shape)) for name, value in start.items()}
    for step in range(STEPS):
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name][step])
        optimizer.step()
        for name, tensor in tensors.items():
            path[name][step] = tensor.detach().numpy()
    return path


def write(stem: str, cases: list[TorchCase], out: Path) -> None:
    """Write the two files of one family, named ``stem``, to the folder ``out``."""
    start, gradients = recorded()
    arrays = {f"start/{name}": value for name, value in start.items()}
    arrays |= {f"gradients/{name}": value for name, value in gradients.items()}
    for case in cases:
        for name, values in trajectory(case, start, gradients).items():
            arrays[f"{case.name}/{name}"] = values
    write_golden(
        out / f"{stem}",
        arrays,
        cases,
        made_by="scripts/reference/make_torch.py",
        libraries=("torch",),
        seed=SEED,
        steps=STEPS,
        what="parameters after each step under recorded gradients; torch.optim with foreach=False on the CPU",
    )


def main() -> None:
    """Write the files of `CASES` and of every family."""
    out = arguments(__doc__).parse_args().out
    write("optimizers_torch", CASES, out)
    for family, cases in families("torch"):
        write(f"optimizers_torch_{family}", cases, out)


if __name__ == "__main__":
    main()
