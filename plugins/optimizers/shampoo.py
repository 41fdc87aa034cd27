"""Shampoo."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, hookimpl, hyper, integer

from ._shared.matrices import along, diagonal, eigh, gram


class Shampoo(TensorOptimizer):
    """Shampoo: full-matrix Adagrad with one small matrix per axis of a tensor.

    For each tensor of k axes, with g the gradient plus ``weight_decay`` times p, each step is::

        h_i = h_i + G_i G_i^T                                G_i: g with axis i as rows and the others as columns
        g = g with each axis i multiplied by (eps I + h_i)^(-1 / 2k)
        m = momentum m + g
        p = p - lr m

    For a matrix, with L = h_1 and R = h_2, the direction is L^(-1/4) g R^(-1/4); for a vector, k = 1. For an axis
    longer than ``max_size``, only the diagonal of h_i is stored. The roots are computed from eigenvectors in float64 at
    the first step and then every ``precondition_every`` steps; the cost is n^3 for an axis of length n.

    If ``precondition_every`` is above 1, the first roots depend on the first gradient only and lengthen steps in all
    other directions by up to eps^(-1/2): raise eps or lower lr.

    State of one run: m in the tensor's shape; for each axis of length n, h_i and its root, ``(n, n)`` (or ``(n,)``).

    Source: Gupta, Koren & Singer 2018, arXiv:1802.09568, Algorithm 1 (matrices) and Algorithm 2 (any order), whose
    epsilon I is the start of h_i; the diagonal of long axes is its section 5.

    Differs from the paper: ``momentum`` and ``weight_decay`` are additions (0 gives the paper's rule). Differs from
    later forms: h_i is a sum, not a running mean; there is no grafting, and there are no blocks.
    """

    lr: float = hyper(0.1, above=0, prior="log", search=(1e-3, 1e3), help="learning rate")
    momentum: float = hyper(0.0, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="momentum coefficient")
    weight_decay: float = hyper(0.0, at_least=0, prior="log", search=(1e-6, 1e-2), help="L2 penalty, added to g")
    eps: float = hyper(1e-4, above=0, prior="log", search=(1e-8, 1.0), help="added to each matrix's diagonal")
    precondition_every: int = integer(1, at_least=1, help="steps between two computations of the roots")
    max_size: int = integer(1200, at_least=1, help="longest axis with a full matrix")

    def slots(self, shape):
        sides = [(n, n) if n <= self.max_size else (n,) for n in shape]
        factors = {f"h{axis}": (side, 0) for axis, side in enumerate(sides, start=1)}
        roots = {f"root{axis}": (side, 0) for axis, side in enumerate(sides, start=1)}
        return dict(factors, **roots, m=(shape, 0))

    def coefficients(h, t):
        return dict(vars(h), t=t)

    def rule(p, g, s, c):
        g = g + c.weight_decay * p
        due = (int(c.t.flat[0]) - 1) % c.precondition_every == 0
        step, order = g, g.ndim - 1
        for axis in range(1, g.ndim):
            full = g.shape[axis] <= c.max_size
            held = getattr(s, f"h{axis}") + (gram(g, axis) if full else _squares(g, axis))
            if due:
                setattr(s, f"root{axis}", inverse_root(held, c.eps, 2 * order))
            setattr(s, f"h{axis}", held)
            root = getattr(s, f"root{axis}")
            step = along(step, axis, root) if full else step * _spread(root, axis, g.ndim)
        s.m = c.momentum * s.m + step
        return p - c.lr * s.m


def inverse_root(held: np.ndarray, eps: np.ndarray, degree: int) -> np.ndarray:
    """Return ``(eps I + held)^(-1 / degree)`` of each run, in ``held``'s shape and dtype.

    Args:
        held: positive semi-definite matrices ``(R, n, n)``, or diagonals ``(R, n)``.
        eps: a column of R or 1 numbers, above 0.
        degree: 1 or more.
    """
    if held.ndim == 2:
        return (held + eps.reshape(-1, 1)) ** (-1 / degree)
    values, vectors = eigh(held.astype(np.float64) + diagonal(eps.astype(np.float64), held.shape[1]))
    values = np.maximum(values, eps.reshape(-1, 1))  # rounding can take a zero eigenvalue below zero
    root = (vectors * values[:, None] ** (-1 / degree)) @ vectors.swapaxes(1, 2)
    return root.astype(held.dtype)


def _squares(g: np.ndarray, axis: int) -> np.ndarray:
    """Return the sums of squares along all other axes, ``(R, n)``."""
    return (g * g).sum(axis=tuple(other for other in range(1, g.ndim) if other != axis))


def _spread(column: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """Return ``(R, n)`` shaped to broadcast along ``axis``."""
    shape = [1] * ndim
    shape[0], shape[axis] = column.shape
    return column.reshape(shape)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("shampoo", Shampoo)
