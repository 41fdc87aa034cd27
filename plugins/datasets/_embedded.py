"""Read the small data sets that are part of scikit-learn, without importing it."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from pathlib import Path

import numpy as np

from framework import InputError, Raw, Samples


def path_of(name: str) -> Path:
    """Return the path of scikit-learn's data file ``name``.

    The folder is found without an import: ``import sklearn.datasets`` takes longer than a default run.

    Raises:
        InputError: scikit-learn is not installed, or this release has no such file.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the embedded data sets are part of scikit-learn: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / name
    if not path.is_file():
        raise InputError(f"{path} is missing: reinstall scikit-learn (pip install --force-reinstall scikit-learn)")
    return path


def read_numbers(name: str, delimiter: str | None = None) -> np.ndarray:
    """Return the rows of a gzipped table of numbers, shape ``(N, columns)`` float64; errors as `path_of`."""
    with gzip.open(path_of(name), "rt", encoding="utf-8") as lines:
        return np.loadtxt(lines, delimiter=delimiter, ndmin=2)


def read_classes(name: str) -> Raw:
    """Return the samples of a labelled table; errors as `path_of`.

    Its first line is ``N,features,class names…``; the last column is the label.
    """
    with path_of(name).open(encoding="utf-8", newline="") as lines:
        _, _, *class_names = next(csv.reader(lines))
        table = np.loadtxt(lines, delimiter=",", ndmin=2)
    samples = Samples(table[:, :-1], table[:, -1].astype(np.intp))
    return Raw(samples, class_names=tuple(class_names), source=f"scikit-learn {name}")
