"""Flat parameter buffers of R runs, and named views into them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Shape = tuple[int, ...]

State = dict[str, np.ndarray]
"""Arrays of an optimizer or a stage by name, each with a leading runs axis."""


class Parameters:
    """The named tensors of R runs in one flat buffer.

    Elementwise optimizers use ``flat``; layers and per-tensor rules use the views. The runs axis is always outermost
    in memory, so that a run has the same bits in any population.

    Attributes:
        flat: shape ``(R, size)``.
        runs: R.
        size: the number of elements per run.
        views: for each name a view of shape ``(R, *shape)`` into ``flat``.
        slices: for each name the slice of a row of ``flat`` that holds the tensor.
        shapes: for each name the shape of one run's tensor.

    Args:
        shapes: for each name the shape of one run's tensor, in the order of the buffer.
        runs: R.
        dtype: the element type.
        flat: the buffer to use, C-contiguous, ``(R, size)`` of ``dtype``; by default a new one of zeros.
    """

    def __init__(self, shapes: Mapping[str, Shape], runs: int, dtype: Any, flat: np.ndarray | None = None) -> None:
        self.shapes = dict(shapes)
        self.runs = runs
        self.size = sum(math.prod(shape) for shape in self.shapes.values())
        self.flat = np.zeros((runs, self.size), dtype=dtype) if flat is None else flat
        self.views: dict[str, np.ndarray] = {}
        self.slices: dict[str, slice] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self.slices[name] = slice(start, stop)
            self.views[name] = self.flat[:, start:stop].reshape(runs, *shape)
            start = stop

    @property
    def dtype(self) -> np.dtype:
        """The element type."""
        return self.flat.dtype

    def like(self) -> Parameters:
        """Return new parameters, all zero, with the same names, shapes, runs and dtype."""
        return Parameters(self.shapes, self.runs, self.dtype)

    def row(self, run: int) -> dict[str, np.ndarray]:
        """Return copies of one run's tensors by name."""
        return {name: view[run, ...].copy() for name, view in self.views.items()}
