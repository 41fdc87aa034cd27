"""What a golden trajectory is made of: one optimizer's setting, in its library's words and in ours.

The families keep their cases in files of their own beside this one, as a list called ``CASES``: ``torch_cases_NAME.py``
for `make_torch` and ``optax_cases_NAME.py`` for `make_optax`.
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
"""optax's names for what we call by other names."""


@dataclass(frozen=True)
class TorchCase:
    """One setting of one of torch's optimizers.

    Attributes:
        torch: class in ``torch.optim``.
        kwargs: its arguments, plain data.
        optimizer: our name for it.
        fields: our fields.
        stages: stages around ours, with their fields.
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
        optax: where it is below ``optax``, such as ``"lion"`` or ``"contrib.adopt"``. One that takes no
            ``learning_rate``, such as ``"scale_by_yogi"``, is followed by ``scale_by_learning_rate``.
        kwargs: its arguments, plain data, ``learning_rate`` among them where it has one. A transformation among them is
            a dict of its own ``path`` and ``kwargs``.
        optimizer: our name for it.
        fields: our fields.
    """

    name: str
    optax: str
    kwargs: dict[str, Any]
    optimizer: str
    fields: dict[str, Any]
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)


def same_as_torch(optimizer: str, torch_class: str, label: str, **kwargs: Any) -> TorchCase:
    """Return a case whose settings torch and we call by the same names, except that betas are split."""
    fields = {name: value for name, value in kwargs.items() if name != "betas"}
    if "betas" in kwargs:
        fields["beta1"], fields["beta2"] = kwargs["betas"]
    return TorchCase(f"{optimizer}-{label}", torch_class, kwargs, optimizer, fields)


def same_as_optax(optimizer: str, optax_name: str, label: str, **kwargs: Any) -> OptaxCase:
    """Return a case whose settings optax and we call by the same names, `OPTAX_WORDS` aside."""
    fields = {OPTAX_WORDS.get(name, name): value for name, value in kwargs.items()}
    return OptaxCase(f"{optimizer}-{label}", optax_name, kwargs, optimizer, fields)


def families(library: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield each family's name and cases: what ``LIBRARY_cases_NAME.py`` beside this file holds as ``CASES``."""
    prefix = f"{library}_cases_"
    for path in sorted(Path(__file__).parent.glob(f"{prefix}*.py")):
        yield path.stem.removeprefix(prefix), importlib.import_module(path.stem).CASES


def arguments(description: str) -> argparse.ArgumentParser:
    """Return the command line that the generators share: where to write."""
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
    """Write ``STEM.npz``, and ``STEM.json`` with the cases and how they were made.

    Args:
        stem: path without an ending.
        arrays: trajectories and what they started from, float64.
        cases: dataclasses or plain data.
        made_by: the script, from the project's root.
        libraries: whose versions count, beside NumPy's.
        seed: of the recorded gradients.
        steps: how many there are.
        what: the arrays in words.
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
