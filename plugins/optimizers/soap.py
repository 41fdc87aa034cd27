"""SOAP."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, flag, hookimpl, hyper, integer
from framework.tensors import rms

from ._shared.matrices import along, eigh, gram, orthogonal


class Soap(TensorOptimizer):
    """SOAP: Adam in the eigenbasis of Shampoo's matrices.

    For each tensor, with an orthogonal matrix Q_i for each axis i, and "rotated" meaning multiplied by Q_i^T along each
    axis, step t + 1 is::

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) (g rotated)^2
        n = (m rotated / (sqrt(v) + eps)) rotated back
        p = p - lr c n                                       c = sqrt(1 - beta2^t) / (1 - beta1^t), or 1
        p = p - lr weight_decay p
        h_i = shampoo_beta h_i + (1 - shampoo_beta) G_i G_i^T
        Q_i = orthogonal factor of h_i Q_i                   every ``precondition_frequency`` steps; v is reordered
                                                             with the columns, by decreasing diagonal of Q_i^T h_i Q_i

    The first step does not change p: it computes h_i and takes its eigenvectors as Q_i, so that no gradient is rotated
    by a basis that was computed from it. Vectors, and axes longer than ``max_precond_dim``, are not rotated: a vector
    takes AdamW's step. With ``precondition_1d`` vectors are rotated too.

    A negative ``shampoo_beta`` means beta2, as in the authors' code. If an axis is longer than all others together, the
    first gradient does not determine its whole basis; LAPACK chooses the rest.

    State of one run: m and v in the tensor's shape; for each rotated axis of length n, h_i and Q_i, ``(n, n)``.

    Source: Vyas et al. 2024, arXiv:2409.11321, Algorithms 3 and 4; the skipped first step, bias correction, order of
    decay and reordering as in the authors' code.

    Differs from the authors' code: there is no merge_dims (each axis of a kernel is rotated separately) and no
    data_format; eigenvectors and orthogonal factors are computed in float64.
    """

    lr: float = hyper(3e-3, above=0, prior="log", search=(1e-4, 10.0), help="learning rate")
    beta1: float = hyper(
        0.95, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="decay rate of the mean of gradients"
    )
    beta2: float = hyper(
        0.95, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the mean of squares"
    )
    shampoo_beta: float = hyper(
        -1.0, at_least=-1, below=1, prior="log 1-x", search=(0.9, 0.9999), help="decay rate of the matrices; -1: beta2"
    )
    eps: float = hyper(1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="added to the root")
    weight_decay: float = hyper(0.01, at_least=0, prior="log", search=(1e-4, 0.3), help="decoupled decay, times lr")
    precondition_frequency: int = integer(10, at_least=1, help="steps between two updates of the bases")
    max_precond_dim: int = integer(10000, at_least=1, help="longest axis to rotate")
    precondition_1d: bool = flag(False, help="rotate vectors too")
    normalize_grads: bool = flag(False, help="scale each tensor's step to an rms of 1, before lr")
    correct_bias: bool = flag(True, help="Adam's bias correction")

    def first_act(self):
        return 2

    def slots(self, shape):
        sides = {axis: (shape[axis - 1],) * 2 for axis in turned_axes(shape, self)}
        factors = {f"h{axis}": (side, 0) for axis, side in sides.items()}
        return dict(factors, **{f"q{axis}": (side, 0) for axis, side in sides.items()}, m=(shape, 0), v=(shape, 0))

    def coefficients(h, t):
        moves = np.maximum(t - 1, 1)
        bias = (1 - h.beta2**moves) ** 0.5 / (1 - h.beta1**moves)
        b3 = np.where(h.shampoo_beta < 0, h.beta2, h.shampoo_beta)
        own = dict(b1=h.beta1, a1=1 - h.beta1, b2=h.beta2, a2=1 - h.beta2, b3=b3, a3=1 - b3)
        return dict(own, t=t, lr=h.lr, corrected=h.lr * bias, eps=h.eps, keep=1 - h.lr * h.weight_decay)

    def rule(p, g, s, c):
        axes = turned_axes(g.shape[1:], c)
        step = int(c.t.flat[0]) - 1
        if step > 0:
            p = _adam(p, g, s, c, axes)
        for axis in axes:
            held = getattr(s, f"h{axis}")
            old, new = (column.reshape(-1, 1, 1) for column in (c.b3, c.a3))
            setattr(s, f"h{axis}", old * held + new * gram(g, axis))
        if step == 0:
            for axis in axes:
                falling = eigh(getattr(s, f"h{axis}"))[1][:, :, ::-1]
                setattr(s, f"q{axis}", falling.astype(p.dtype))
        elif step % c.precondition_frequency == 0:
            _refresh(s, axes)
        return p


def turned_axes(shape: tuple[int, ...], c: Any) -> list[int]:
    """Return the axes, from 1, that are rotated; ``c`` has the fields that select them."""
    if len(shape) < 2 and not c.precondition_1d:
        return []
    return [axis for axis, length in enumerate(shape, start=1) if length <= c.max_precond_dim]


def _adam(p: np.ndarray, g: np.ndarray, s: SimpleNamespace, c: Any, axes: list[int]) -> np.ndarray:
    """Return the values after Adam's step in the rotated space and the decay; update m and v."""
    s.m = c.b1 * s.m + c.a1 * g
    turned = _turn(g, s, axes)
    s.v = c.b2 * s.v + c.a2 * turned * turned
    step = _turn(s.m, s, axes) / (np.sqrt(s.v) + c.eps)
    for axis in axes:
        step = along(step, axis, getattr(s, f"q{axis}").swapaxes(1, 2))
    if c.normalize_grads:
        step = step / (1e-30 + rms(step))
    return c.keep * (p - (c.corrected if c.correct_bias else c.lr) * step)


def _turn(x: np.ndarray, s: SimpleNamespace, axes: list[int]) -> np.ndarray:
    for axis in axes:
        x = along(x, axis, getattr(s, f"q{axis}"))
    return x


def _refresh(s: SimpleNamespace, axes: list[int]) -> None:
    """Take one step of orthogonal iteration for each basis and reorder v with its columns."""
    for axis in axes:
        held, basis = (getattr(s, f"{slot}{axis}").astype(np.float64) for slot in ("h", "q"))
        product = held @ basis
        order = np.argsort(-(basis * product).sum(axis=1), axis=-1, kind="stable")
        falling = np.take_along_axis(product, order[:, None], axis=2)
        setattr(s, f"q{axis}", orthogonal(falling).astype(s.v.dtype))
        places = order.reshape([len(order)] + [-1 if at == axis else 1 for at in range(1, s.v.ndim)])
        s.v = np.take_along_axis(s.v, places, axis=axis)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("soap", Soap)
