"""Write the golden trajectories in tests/reference: optax's parameters under recorded gradients.

Run it from the project's root in an environment with optax::

    python scripts/reference/make_optax.py [FAMILY ...]

For each ``optax_cases_FAMILY.py`` next to it (or only for the named families), it writes
``optimizers_optax_FAMILY.npz`` and ``optimizers_optax_FAMILY.json``, which has the cases and their provenance. To add a
case, add it to such a file and run this again; the tests find it automatically. The gradients are those of
``make_torch.py``; they do not depend on the parameters.
"""

from __future__ import annotations

import inspect
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from cases import OptaxCase, arguments, families, write_golden
from make_torch import SEED, STEPS, recorded


def transformation(case: OptaxCase) -> Any:
    """Return the case's optax transformation, learning rate included."""
    return _made(case.optax, case.kwargs)


def _made(path: str, kwargs: dict[str, Any]) -> Any:
    import optax

    make = reduce(getattr, path.split("."), optax)
    given = {name: _made(**value) if isinstance(value, dict) else value for name, value in kwargs.items()}
    if "learning_rate" in inspect.signature(make).parameters or "learning_rate" not in given:
        return make(**given)
    rate = optax.scale_by_learning_rate(given.pop("learning_rate"))
    return optax.chain(make(**given), rate)


def trajectory(
    case: OptaxCase, start: dict[str, np.ndarray], gradients: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return optax's parameters after each step, shape ``(STEPS, *shape)`` per tensor."""
    import jax
    import optax

    transform = transformation(case)
    parameters = {name: jax.numpy.asarray(value) for name, value in start.items()}
    state = transform.init(parameters)
    path = {name: np.empty((STEPS, *value.shape)) for name, value in start.items()}
    for step in range(STEPS):
        slopes = {name: jax.numpy.asarray(values[step]) for name, values in gradients.items()}
        updates, state = transform.update(slopes, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        for name, value in parameters.items():
            path[name][step] = np.asarray(value)
    return path


def write(family: str, cases: list[OptaxCase], out: Path) -> None:
    """Write the two files of one family to the folder ``out``."""
    start, gradients = recorded()
    arrays = {f"start/{name}": value for name, value in start.items()}
    arrays |= {f"gradients/{name}": value for name, value in gradients.items()}
    for case in cases:
        for name, values in trajectory(case, start, gradients).items():
            arrays[f"{case.name}/{name}"] = values
    write_golden(
        out / f"optimizers_optax_{family}",
        arrays,
        cases,
        made_by="scripts/reference/make_optax.py",
        libraries=("optax", "jax"),
        seed=SEED,
        steps=STEPS,
        what="parameters after each step under recorded gradients; jax with x64 enabled, not compiled, on the CPU",
    )


def main() -> None:
    """Write the files of the families named on the command line, or of all families."""
    import jax

    parser = arguments(__doc__)
    parser.add_argument("families", nargs="*", help="families to write; all if none is named")
    wanted = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    for family, cases in families("optax"):
        if not wanted.families or family in wanted.families:
            write(family, cases, wanted.out)


if __name__ == "__main__":
    main()
