"""Cases of golden trajectories: settings of an optimizer under its library's names and ours; shared helpers.

Each family of cases is a list ``CASES`` in a file next to this one: ``torch_cases_NAME.py`` for `make_torch`,
``optax_cases_NAME.py`` for `make_optax`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).resolve().parents[2] / "tests" / "reference"
OPTAX_WORDS = {"learning_rate": "lr", "b1": "beta1", "b2": "beta2", "b3": "beta3"}
"""Our names of arguments by optax's names."""


@dataclass(frozen=True)
class TorchCase:
    """One setting of a torch optimizer.

    Attributes:
        name: name of the case.
        torch: class in ``torch.optim``.
        kwargs: its arguments, as plain data.
        optimizer: our registered name of it.
        fields: our fields.
        stages: stages to use with our optimizer, with their fields.
    """

    name: str
    torch: str
    kwargs: dict[str, Any]
    optimizer: str
    fields: dict[str, Any]
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class OptaxCase:
    """One setting of one optax transformation.

    Attributes:
        name: name of the case.
        optax: dotted name in ``optax``, such as ``"lion"`` or ``"contrib.adopt"``. A transformation without an argument
            ``learning_rate``, such as ``"scale_by_yogi"``, is followed by ``scale_by_learning_rate``.
        kwargs: its arguments, as plain data, with ``learning_rate`` if there is one. An argument that is itself a
            transformation is a dict of its ``path`` and ``kwargs``.
        optimizer: our registered name of it.
        fields: our fields.
        stages: stages to use with our optimizer, with their fields.
    """

    name: str
    optax: str
    kwargs: dict[str, Any]
    optimizer: str
    fields: dict[str, Any]
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)


def same_as_torch(optimizer: str, torch_class: str, label: str, **kwargs: Any) -> TorchCase:
    """Return a case whose arguments have the same names in torch and here, except that ``betas`` is split."""
    fields = {name: value for name, value in kwargs.items() if name != "betas"}
    if "betas" in kwargs:
        fields["beta1"], fields["beta2"] = kwargs["betas"]
    return TorchCase(f"{optimizer}-{label}", torch_class, kwargs, optimizer, fields)


def same_as_optax(optimizer: str, optax_name: str, label: str, **kwargs: Any) -> OptaxCase:
    """Return a case whose arguments have the same names in optax and here, except those in `OPTAX_WORDS`."""
    fields = {OPTAX_WORDS.get(name, name): value for name, value in kwargs.items()}
    return OptaxCase(f"{optimizer}-{label}", optax_name, kwargs, optimizer, fields)


def families(library: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name and the cases of each family: ``CASES`` in each ``LIBRARY_cases_NAME.py`` next to this file."""
    prefix = f"{library}_cases_"
    for path in sorted(Path(__file__).parent.glob(f"{prefix}*.py")):
        yield path.stem.removeprefix(prefix), importlib.import_module(path.stem).CASES


def arguments(description: str) -> argparse.ArgumentParser:
    """Return the argument parser that the generators share, with ``--out``; only the first line of the text is used."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    return parser


def write_golden(
    stem: Path,
    arrays: Mapping[str, np.ndarray],
    cases: Sequence[Any],
    *,
    made_by: str,
    libraries: Sequence[str],
    seed: int,
    steps: int,
    what: str,
) -> None:
    """Write ``STEM.npz`` with the arrays, and ``STEM.json`` with the cases and their provenance.

    Args:
        stem: path without a suffix.
        arrays: trajectories, starting points and inputs by name, float64.
        cases: dataclasses or plain data.
        made_by: path of the script, relative to the project's root.
        libraries: modules whose versions to record, besides NumPy's.
        seed: seed of the recorded inputs.
        steps: number of steps.
        what: description of the arrays.
    """
    np.savez_compressed(stem.with_suffix(".npz"), **arrays)
    provenance = {
        "made_by": made_by,
        **{library: importlib.import_module(library).__version__ for library in libraries},
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "seed": seed,
        "steps": steps,
        "dtype": "float64",
        "what": what,
        "cases": [asdict(case) if is_dataclass(case) else case for case in cases],
    }
    stem.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
