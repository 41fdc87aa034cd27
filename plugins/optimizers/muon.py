"""Muon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import OptimizerSpec, TensorOptimizer, choice, flag, hookimpl, hyper, integer, number
from framework.tensors import norm


class Muon(TensorOptimizer):
    """Muon: steps by nearly orthogonalized momentum for matrices, and by Adam for vectors.

    For each tensor of two axes or more, taken as a matrix ``(inputs, outputs)`` (a kernel ``(k, k, in, out)`` as
    ``(k k in, out)``), each step is::

        m = momentum m + (1 - momentum) g
        x = momentum m + (1 - momentum) g                    without ``nesterov``, x = m
        x = x / max(|x|, eps)
        x = ns_a x + (ns_b A + ns_c A A) x,  A = x x^T       ns_steps times; transposed if A is smaller then
        p = (1 - lr weight_decay) p - lr scale x

    with scale = sqrt(max(1, outputs / inputs)) (``adjust_lr_fn=original``) or 0.2 sqrt(max(outputs, inputs))
    (``match_rms_adamw``, which suits an lr tuned for AdamW).

    Vectors (biases, norms) take Adam's step with the same lr, ``adam_beta1``, ``adam_beta2`` and ``adam_eps``, without
    weight decay. To use another optimizer for them, or for the first and last layer, use ``split``.

    State of one run: m in the tensor's shape; for a vector, also v.

    Sources: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks" (the algorithm box and its
    quintic coefficients); Liu et al. 2025, arXiv:2502.16982, equation 4 for match_rms_adamw.

    Differs from torch.optim.Muon: torch iterates in bfloat16, this rule in the parameters' dtype; torch accepts only
    matrices; its matrices are (outputs, inputs), so that its ratio rows / columns gives a layer the same step; its
    triple ns_coefficients is ``ns_a``, ``ns_b``, ``ns_c`` here. Adam for vectors is as in optax.contrib.muon.
    """

    lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 1.0), help="learning rate")
    weight_decay: float = hyper(0.1, at_least=0, prior="log", search=(1e-4, 0.3), help="decoupled decay of matrices")
    momentum: float = hyper(
        0.95, at_least=0, below=1, prior="log 1-x", search=(0.8, 0.99), help="decay rate of the mean of gradients"
    )
    nesterov: bool = flag(True, help="use Nesterov momentum")
    ns_a: float = number(3.4445, above=0, help="coefficient of x in each iteration")
    ns_b: float = number(-4.775, at_most=0, help="coefficient of A x")
    ns_c: float = number(2.0315, at_least=0, help="coefficient of A A x")
    eps: float = hyper(1e-7, above=0, prior="log", search=(1e-10, 1e-3), help="lower bound of the norm to divide by")
    ns_steps: int = integer(5, at_least=1, at_most=99, help="number of iterations")
    adjust_lr_fn: str = choice(
        "original", ("original", "match_rms_adamw"), help="how scale depends on a matrix's shape"
    )
    adam_beta1: float = hyper(
        0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99), help="beta1 of Adam for vectors"
    )
    adam_beta2: float = hyper(
        0.999, at_least=0, below=1, prior="log 1-x", search=(0.9, 0.9999), help="beta2 of Adam for vectors"
    )
    adam_eps: float = hyper(
        1e-8, at_least=0, prior="log", search=(1e-10, 1e-3), help="eps of Adam for vectors, added to the root"
    )

    def slots(self, shape):
        return dict(m=(shape, 0), v=(shape, 0)) if len(shape) < 2 else dict(m=(shape, 0))

    def coefficients(h, t):
        own = dict(lr=h.lr, keep=1 - h.lr * h.weight_decay, b=h.momentum, a=1 - h.momentum, eps=h.eps)
        adam = dict(b1=h.adam_beta1, a1=1 - h.adam_beta1, b2=h.adam_beta2, a2=1 - h.adam_beta2, adam_eps=h.adam_eps)
        return dict(own, **adam, step=h.lr / (1 - h.adam_beta1**t), root=1 / (1 - h.adam_beta2**t) ** 0.5)

    def rule(p, g, s, c):
        if g.ndim < 3:
            s.m = c.b1 * s.m + c.a1 * g
            s.v = c.b2 * s.v + c.a2 * g * g
            return p - c.step * s.m / (np.sqrt(s.v) * c.root + c.adam_eps)
        s.m = c.b * s.m + c.a * g
        x = c.b * s.m + c.a * g if c.nesterov else s.m
        matrix = x.reshape(len(x), -1, x.shape[-1])
        update = newton_schulz(matrix, c).reshape(x.shape)
        return c.keep * p - c.lr * _scale(matrix.shape[1:], c.adjust_lr_fn) * update


def newton_schulz(matrices: np.ndarray, c: Any) -> np.ndarray:
    """Return each run's matrix with its singular values pushed towards 1, ``(R, m, n)``.

    Args:
        matrices: ``(R, m, n)``.
        c: ``eps``, a column of R or 1 numbers, and ``ns_a``, ``ns_b``, ``ns_c``, ``ns_steps``.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.swapaxes(1, 2) if tall else matrices
    x = x / np.maximum(norm(x), c.eps.reshape(-1, 1, 1))
    for _ in range(c.ns_steps):
        square = x @ x.swapaxes(1, 2)
        x = c.ns_a * x + (c.ns_b * square + c.ns_c * (square @ square)) @ x
    return x.swapaxes(1, 2) if tall else x


def _scale(shape: tuple[int, ...], adjust: str) -> float:
    inputs, outputs = shape
    if adjust == "original":
        return float(max(1, outputs / inputs) ** 0.5)
    return float(0.2 * max(inputs, outputs) ** 0.5)


@hookimpl
def register_optimizers() -> Iterator[OptimizerSpec]:
    """Yield this module's optimizer."""
    yield OptimizerSpec("muon", Muon)
