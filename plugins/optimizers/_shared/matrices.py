"""Matrices of R runs: products along one axis, eigenvectors, orthogonal factors. Never across runs."""

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
    """Return ``x`` with its vectors along ``axis`` multiplied by each run's matrix: v becomes v^T M.

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

    A run whose matrix is not finite, or whose eigenvalues are not found, gets NaN: it has diverged. NumPy refuses a
    whole stack for one such matrix, which would take the other runs down with it.
    """
    values = np.full(matrices.shape[:2], np.nan)
    vectors = np.full(matrices.shape, np.nan)
    for run, matrix in enumerate(matrices.astype(np.float64)):
        if np.isfinite(matrix).all():
            with suppress(np.linalg.LinAlgError):  # NaN stays: this run has diverged
                values[run], vectors[run] = np.linalg.eigh(matrix)
    return values, vectors


def orthogonal(matrices: np.ndarray) -> np.ndarray:
    """Return each run's orthogonal factor of the QR decomposition, ``(R, n, n)``; NaN for NaN."""
    return np.linalg.qr(matrices).Q


def diagonal(column: np.ndarray, n: int) -> np.ndarray:
    """Return each run's number, ``(R or 1, 1, …)``, on the diagonal of ``(R or 1, n, n)``."""
    return column.reshape(-1, 1, 1) * np.eye(n, dtype=column.dtype)
