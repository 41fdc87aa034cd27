"""Matrices of R runs: products along one axis, eigenvectors, orthogonal factors. No function mixes runs."""

from __future__ import annotations

from contextlib import suppress

import numpy as np


def gram(x: np.ndarray, axis: int) -> np.ndarray:
    """Return each run's sum of outer products of the slices of ``x`` along ``axis``, ``(R, n, n)``.

    For a matrix, ``axis`` 1 gives G G^T and ``axis`` 2 gives G^T G.

    Args:
        x: one tensor, ``(R, *shape)``.
        axis: an axis of ``x``, from 1.
    """
    rows = np.moveaxis(x, axis, 1).reshape(len(x), x.shape[axis], -1)
    return rows @ rows.swapaxes(1, 2)


def along(x: np.ndarray, axis: int, matrix: np.ndarray) -> np.ndarray:
    """Return ``x`` with its vectors along ``axis`` multiplied by the run's matrix: v becomes v^T M.

    Args:
        x: one tensor, ``(R, *shape)``.
        axis: an axis of ``x``, from 1, of length n.
        matrix: ``(R, n, n)``.
    """
    moved = np.moveaxis(x, axis, -1)
    product = moved.reshape(len(x), -1, x.shape[axis]) @ matrix
    return np.moveaxis(product.reshape(moved.shape), -1, axis)


def eigh(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each run's eigenvalues, ascending, ``(R, n)``, and eigenvectors in columns, ``(R, n, n)``, in float64.

    If the matrix of a run is not finite, or its eigenvalues are not found, the run has diverged and its results are
    NaN. NumPy would raise for the whole stack, and so stop the other runs too.
    """
    values = np.full(matrices.shape[:2], np.nan)
    vectors = np.full(matrices.shape, np.nan)
    for run, matrix in enumerate(matrices.astype(np.float64)):
        if np.isfinite(matrix).all():
            with suppress(np.linalg.LinAlgError):  # this run has diverged: its results stay NaN
                values[run], vectors[run] = np.linalg.eigh(matrix)
    return values, vectors


def orthogonal(matrices: np.ndarray) -> np.ndarray:
    """Return each run's orthogonal factor of the QR decomposition, ``(R, n, n)``; a matrix of NaN gives NaN."""
    return np.linalg.qr(matrices).Q


def diagonal(column: np.ndarray, n: int) -> np.ndarray:
    """Return diagonal matrices ``(R or 1, n, n)`` with each run's number, ``(R or 1, 1, …)``, on the diagonal."""
    return column.reshape(-1, 1, 1) * np.eye(n, dtype=column.dtype)
