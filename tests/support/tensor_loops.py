"""Reference implementations, written from the papers, of the methods without a golden file.

They are plain loops in float64 for one run and one tensor.
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def times(a, b):
    """Return the matrix product, each entry summed with ``math.fsum``."""
    return np.array(
        [[math.fsum(a[i, k] * b[k, j] for k in range(len(b))) for j in range(b.shape[1])] for i in range(len(a))]
    )


def unfolded(x, axis):
    """Return the slices of x along ``axis`` as the rows of a matrix."""
    return np.array([np.take(x, at, axis).ravel() for at in range(x.shape[axis])])


def along(x, axis, matrix):
    """Return the contraction of axis ``axis`` of x with the first axis of ``matrix``."""
    out = np.zeros_like(x)
    for place in itertools.product(*map(range, x.shape)):
        terms = []
        for k in range(x.shape[axis]):
            source = (*place[:axis], k, *place[axis + 1 :])
            terms.append(x[source] * matrix[k, place[axis]])
        out[place] = math.fsum(terms)
    return out


def quadratic_mean(x):
    """Return the root mean square of the elements of x."""
    return math.sqrt(math.fsum(value * value for value in x.ravel()) / x.size)


def adam(start, gradients, lr, beta1, beta2, eps, decay=0.0, first=0):
    """Yield the path of Adam with decoupled decay after the step; the first ``first`` gradients are skipped."""
    p, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step, g in enumerate(gradients):
        t = step + 1 - first
        if t > 0:
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            bias = math.sqrt(1 - beta2**t) / (1 - beta1**t)
            p = p - lr * bias * m / (np.sqrt(v) + (eps if first else eps * math.sqrt(1 - beta2**t)))
            p = p - lr * decay * p
        yield p


def muon(start, gradients, *, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns=(3.4445, -4.775, 2.0315),
         eps=1e-7, ns_steps=5, adjust_lr_fn="original", adam_betas=(0.9, 0.999), adam_eps=1e-8):  # fmt: skip
    """Yield the path of Muon. The tensor is a matrix of shape (inputs, outputs), a kernel, or a vector (uses Adam)."""
    if start.ndim == 1:
        yield from adam(start, gradients, lr, *adam_betas, adam_eps)
        return
    shape, p = start.shape, start.reshape(-1, start.shape[-1])
    inputs, outputs = p.shape
    scale = math.sqrt(max(1, outputs / inputs)) if adjust_lr_fn == "original" else 0.2 * math.sqrt(max(p.shape))
    buffer = np.zeros_like(p)
    for g in gradients:
        g = g.reshape(p.shape)
        buffer = buffer + (1 - momentum) * (g - buffer)
        x = (g + momentum * (buffer - g) if nesterov else buffer).T  # torch's layout: (outputs, inputs)
        x = x / max(math.sqrt(math.fsum((x * x).ravel())), eps)
        for _ in range(ns_steps):
            cube = times(times(x, x.T), x)
            x = ns[0] * x + ns[1] * cube + ns[2] * times(times(x, x.T), cube)
        p = p * (1 - lr * weight_decay) - lr * scale * x.T
        yield p.reshape(shape)


def root_of(matrix, power):
    """Return a power of a symmetric positive matrix, from its singular value decomposition."""
    u, s, _ = np.linalg.svd(matrix)
    return times(u * s**power, u.T)


def shampoo(start, gradients, *, lr=0.1, momentum=0.0, weight_decay=0.0, eps=1e-4, precondition_every=1, max_size=1200):
    """Yield the path of Shampoo: Algorithm 2 (Algorithm 1 for a matrix)."""
    p, m = start.copy(), np.zeros_like(start)
    held = [eps * np.eye(n) for n in start.shape]
    roots = [None] * start.ndim
    for step, g in enumerate(gradients):
        g = g + weight_decay * p
        move = g
        for axis in range(g.ndim):
            rows = unfolded(g, axis)
            outer = times(rows, rows.T)
            held[axis] = held[axis] + (outer if len(rows) <= max_size else np.diag(np.diag(outer)))
            if step % precondition_every == 0:
                roots[axis] = root_of(held[axis], -1 / (2 * g.ndim))
            move = along(move, axis, roots[axis])
        m = momentum * m + move
        p = p - lr * m
        yield p


def soap(start, gradients, *, lr=3e-3, beta1=0.95, beta2=0.95, shampoo_beta=-1.0, eps=1e-8, weight_decay=0.01,
         precondition_frequency=10, max_precond_dim=10000, precondition_1d=False, normalize_grads=False,
         correct_bias=True):  # fmt: skip
    """Yield the path of SOAP: Algorithms 3 and 4, with the first step, order of decay and reordering of the authors."""
    p, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    memory = beta2 if shampoo_beta < 0 else shampoo_beta
    turned = [axis for axis, n in enumerate(p.shape) if n <= max_precond_dim and (p.ndim > 1 or precondition_1d)]
    held, basis = {axis: np.zeros((p.shape[axis],) * 2) for axis in turned}, {}
    for step, g in enumerate(gradients):
        if step > 0:
            m = beta1 * m + (1 - beta1) * g
            turned_m, turned_g = m, g
            for axis in turned:
                turned_m, turned_g = along(turned_m, axis, basis[axis]), along(turned_g, axis, basis[axis])
            v = beta2 * v + (1 - beta2) * turned_g**2
            move = turned_m / (np.sqrt(v) + eps)
            for axis in turned:
                move = along(move, axis, basis[axis].T)
            move = move / quadratic_mean(move) if normalize_grads else move
            size = lr * math.sqrt(1 - beta2**step) / (1 - beta1**step) if correct_bias else lr
            p = p - size * move
            p = p - lr * weight_decay * p
        for axis in turned:
            rows = unfolded(g, axis)
            held[axis] = memory * held[axis] + (1 - memory) * times(rows, rows.T)
            if step == 0:
                basis[axis] = np.linalg.svd(held[axis])[0]
            elif step % precondition_frequency == 0:
                sizes = np.diag(times(times(basis[axis].T, held[axis]), basis[axis]))
                order = np.argsort(-sizes)
                basis[axis] = gram_schmidt(times(held[axis], basis[axis][:, order]))
                v = np.take(v, order, axis)
        yield p


def gram_schmidt(matrix):
    """Return orthonormalized columns; each is orthogonalized twice for accuracy."""
    columns = []
    for column in matrix.T:
        for _ in range(2):
            for other in columns:
                column = column - other * math.fsum(other * column)
        columns.append(column / math.sqrt(math.fsum(column * column)))
    return np.array(columns).T


def came(start, gradients, *, lr=2e-4, beta1=0.9, beta2=0.999, beta3=0.9999, eps1=1e-30, eps2=1e-16,
         clip_threshold=1.0, weight_decay=0.0):  # fmt: skip
    """Yield the path of CAME: Algorithm 2, with vectors treated as in the authors' code."""
    p, m = start.copy(), np.zeros_like(start)
    squares, residue = Factors(start.shape, beta2), Factors(start.shape, beta3)
    for g in gradients:
        u = g / np.sqrt(squares.after(g**2 + eps1))
        u = u / max(1.0, quadratic_mean(u) / clip_threshold)
        m = beta1 * m + (1 - beta1) * u
        move = m / np.sqrt(residue.after((u - m) ** 2 + eps2)) if start.ndim > 1 else m
        p = p - lr * weight_decay * p - lr * move
        yield p


class Factors:
    """A running mean, factored into row and column means per matrix of the last two axes; a vector is not factored."""

    def __init__(self, shape, beta):
        self.beta, self.mean = beta, np.zeros(shape)
        self.rows, self.columns = np.zeros(shape[:-1]), np.zeros((*shape[:-2], shape[-1]))

    def after(self, new):
        if new.ndim == 1:
            self.mean = self.beta * self.mean + (1 - self.beta) * new
            return self.mean
        estimate = np.zeros_like(new)
        for place in itertools.product(*map(range, new.shape[:-2])):
            rows, columns, matrix = self.rows[place], self.columns[place], new[place]
            for i in range(len(rows)):
                rows[i] = self.beta * rows[i] + (1 - self.beta) * matrix[i].sum() / len(columns)
            for j in range(len(columns)):
                columns[j] = self.beta * columns[j] + (1 - self.beta) * matrix[:, j].sum() / len(rows)
            estimate[place] = np.outer(rows, columns) / (rows.sum() / len(rows))
        return estimate
