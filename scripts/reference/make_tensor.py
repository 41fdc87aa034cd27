"""Write the golden trajectories of per-tensor methods in tests/reference: torch's and optax's on recorded gradients.

Run it from the project's root in an environment with torch and optax::

    python scripts/reference/make_tensor.py

It writes ``optimizers_torch_tensor`` and ``optimizers_optax_tensor``, each as ``.npz`` and ``.json``; the latter has
the cases and their provenance. One tensor starts at zero, one is a kernel, and at one step all gradients are zero. Two
tensors are stored only after every tenth step, to keep the files small. torch's Muon accepts only matrices, of shape
(outputs, inputs), and iterates in bfloat16. It gets transposed matrices, and is patched to iterate in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cases import arguments, write_golden

STEPS = 100
SEED = 20261123
EMPTY = 6
KEPT = 10
SHAPES = {"matrix": (3, 2), "vector": (3,), "zeros": (2,), "kernel": (2, 2, 2, 3), "wide": (2, 5)}
SPARSE = ("kernel", "wide")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One setting of one optimizer: the library's function with its arguments, and our fields.

    Attributes:
        name: name of the case.
        made_by: dotted name of the library's function or class.
        kwargs: its arguments.
        optimizer: our registered name of it.
        fields: our fields.
        turned: whether the library accepts only matrices, of shape (outputs, inputs).
    """

    name: str
    made_by: str
    kwargs: dict[str, Any]
    optimizer: str
    fields: dict[str, Any]
    turned: bool = False


def adafactor(label: str, eps: tuple[float | None, float] = (None, 1e-3), **same: Any) -> Case:
    """Return a case of torch's Adafactor; its pair ``eps`` is ``eps1`` and ``eps2`` here."""
    return Case(
        f"adafactor-{label}",
        "torch.optim.Adafactor",
        {"eps": eps, **same},
        "adafactor",
        {"eps1": eps[0], "eps2": eps[1], **same},
    )


def muon(label: str, **kwargs: Any) -> Case:
    """Return a case of torch's Muon; its triple ``ns_coefficients`` is ``ns_a``, ``ns_b`` and ``ns_c`` here."""
    fields = dict(kwargs)
    if "ns_coefficients" in fields:
        fields["ns_a"], fields["ns_b"], fields["ns_c"] = fields.pop("ns_coefficients")
    return Case(f"muon-{label}", "torch.optim.Muon", kwargs, "muon", fields, turned=True)


def optax(optimizer: str, label: str, made_by: str, renamed: dict[str, str] | None = None, **fields: Any) -> Case:
    """Return a case of an optax function; ``renamed`` maps our names to optax's."""
    names = {"lr": "learning_rate", "beta1": "b1", "beta2": "b2", **(renamed or {})}
    kwargs = {names.get(name, name): value for name, value in fields.items()}
    return Case(f"{optimizer}-{label}", made_by, kwargs, optimizer, fields)


TORCH = [
    adafactor("defaults"),
    adafactor("settings", eps=(1e-2, 0.3), lr=0.3, beta2_decay=-0.5),
    adafactor("clip", lr=0.5, d=1.7, weight_decay=0.1),
    muon("defaults"),
    muon("settings", lr=0.03, weight_decay=0.4, momentum=0.8, nesterov=False, ns_steps=3),
    muon("match_rms_adamw", lr=0.02, ns_coefficients=(2.0, -1.5, 0.5), eps=3.0, adjust_lr_fn="match_rms_adamw"),
    adafactor("all", eps=(1e-6, 0.05), lr=0.2, beta2_decay=-0.95, d=1.3, weight_decay=0.3),
]
SM3 = {"momentum": "b1"}
OPTAX = [
    optax("novograd", "defaults", "optax.novograd", lr=0.01),
    optax("novograd", "settings", "optax.novograd", lr=0.03, beta1=0.7, beta2=0.95, eps=1e-2, weight_decay=0.05),
    optax("novograd", "eps_root", "optax.novograd", lr=0.02, eps_root=0.5),
    optax("lamb", "defaults", "optax.lamb", lr=0.01),
    optax("lamb", "settings", "optax.lamb", lr=0.03, beta1=0.7, beta2=0.95, eps=1e-2, weight_decay=0.2),
    optax("lamb", "eps_root", "optax.lamb", lr=0.02, eps_root=0.1, weight_decay=0.01),
    optax("lars", "defaults", "optax.lars", lr=1.0),
    optax("lars", "settings", "optax.lars", lr=3.0, momentum=0.8, weight_decay=0.1, trust_coefficient=0.01),
    optax("lars", "nesterov", "optax.lars", lr=2.0, momentum=0.7, nesterov=True, trust_coefficient=0.005, eps=0.5),
    optax("fromage", "defaults", "optax.fromage", lr=0.01),
    optax("fromage", "settings", "optax.fromage", lr=0.2, min_norm=0.5),
    optax("fromage", "no_minimum", "optax.fromage", lr=0.1, min_norm=0.0),
    optax("sm3", "defaults", "optax.sm3", lr=0.1, momentum=0.9),
    optax("sm3", "settings", "optax.scale_by_sm3", SM3, lr=0.05, momentum=0.5, eps=0.1),
    optax("sm3", "means", "optax.scale_by_sm3", SM3, lr=0.05, momentum=0.8, beta2=0.9, eps=1e-4),
    optax("madgrad", "defaults", "optax.contrib.madgrad", lr=0.01),
    optax("madgrad", "settings", "optax.contrib.madgrad", lr=0.1, momentum=0.7, weight_decay=0.05, eps=1e-2),
    optax("madgrad", "no_memory", "optax.contrib.madgrad", lr=0.05, momentum=0.0, eps=1e-3),
]


def recorded() -> tuple[Arrays, Arrays]:
    """Return the starting points, and the gradients ``(STEPS, *shape)``: scales from 1e-2 to 10, some exact zeros."""
    rng = np.random.default_rng(SEED)
    start, gradients = {}, {}
    for name, shape in SHAPES.items():
        start[name] = np.zeros(shape) if name == "zeros" else rng.standard_normal(shape)
        sizes = 10.0 ** rng.uniform(-2, 1, shape)
        gradients[name] = sizes * (rng.standard_normal((STEPS, *shape)) + 0.5)
        gradients[name][rng.random((STEPS, *shape)) < 0.05] = 0.0
        gradients[name][EMPTY] = 0.0
    return start, gradients


def torch_path(case: Case, start: Arrays, gradients: Arrays) -> Iterator[Arrays]:
    """Yield torch's parameters after each step."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.Tensor.bfloat16 = lambda self: self.clone()  # type: ignore[assignment]
    if case.turned:
        start = {name: start[name].T for name in ("matrix", "wide")}
        gradients = {name: gradients[name].swapaxes(1, 2) for name in start}
    tensors = {name: torch.tensor(value).requires_grad_() for name, value in start.items()}
    make = getattr(torch.optim, case.made_by.rpartition(".")[2])
    optimizer = make(list(tensors.values()), **case.kwargs)
    for step in range(STEPS):
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name][step])
        optimizer.step()
        moved = {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
        yield {name: value.T for name, value in moved.items()} if case.turned else moved


def transformation(case: Case) -> Any:
    """Return the optax transformation; ``scale_by_...`` is followed by a scaling with the learning rate."""
    import optax

    module = optax.contrib if ".contrib." in case.made_by else optax
    name = case.made_by.rpartition(".")[2]
    kwargs = dict(case.kwargs)
    lr = kwargs.pop("learning_rate")
    if name.startswith("scale_by"):
        return optax.chain(getattr(module, name)(**kwargs), optax.scale(-lr))
    return getattr(module, name)(learning_rate=lr, **kwargs)


def optax_path(case: Case, start: Arrays, gradients: Arrays) -> Iterator[Arrays]:
    """Yield optax's parameters after each step."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    params = {name: jax.numpy.asarray(value) for name, value in start.items()}
    made = transformation(case)
    state = jax.tree.map(_wide, made.init(params))
    advance = jax.jit(made.update)
    for step in range(STEPS):
        updates, state = advance({name: jax.numpy.asarray(g[step]) for name, g in gradients.items()}, state, params)
        params = optax.apply_updates(params, updates)
        yield {name: np.asarray(value) for name, value in params.items()}


def _wide(leaf: Any) -> Any:
    """Return a 32-bit step counter in 64 bits, and other arrays unchanged.

    optax takes the root of a 32-bit counter in float32, regardless of the parameters' dtype.
    """
    return leaf.astype("int64") if leaf.dtype == "int32" else leaf


def write(
    out: Path, library: str, cases: list[Case], follow: Callable[[Case, Arrays, Arrays], Iterator[Arrays]]
) -> None:
    """Write the two files of one library to the folder ``out``."""
    start, gradients = recorded()
    arrays = {f"start/{name}": value for name, value in start.items()}
    arrays |= {f"gradients/{name}": value for name, value in gradients.items()}
    for case in cases:
        steps = list(follow(case, start, gradients))
        for name in steps[0]:
            kept = steps[KEPT - 1 :: KEPT] if name in SPARSE else steps
            arrays[f"{case.name}/{name}"] = np.stack([values[name] for values in kept])
    write_golden(
        out / f"optimizers_{library}_tensor",
        arrays,
        cases,
        made_by="scripts/reference/make_tensor.py",
        libraries=(library, "jax") if library == "optax" else (library,),
        seed=SEED,
        steps=STEPS,
        what="parameters after each step under recorded gradients, on the CPU; kernel and wide after each tenth",
    )


def main() -> None:
    """Write all four files."""
    out = arguments(__doc__).parse_args().out
    write(out, "torch", TORCH, torch_path)
    write(out, "optax", OPTAX, optax_path)


if __name__ == "__main__":
    main()
