"""Initialisers of trained tensors: variance scaling and related schemes.

Sources: He et al. 2015 (arXiv:1502.01852, section 2.2), Glorot & Bengio 2010 (equations 12 and 16), LeCun et al. 1998
("Efficient BackProp", equation 16), Saxe et al. 2014 (arXiv:1312.6120, orthogonal).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from framework.base.layer import Weight
from framework.base.numerics import trailing
from framework.base.randomness import SeedGroups, stream
from framework.errors import InputError, nearest

Draw = Callable[[np.random.Generator, Weight], np.ndarray]

TRUNCATED_STD = 0.8796256610342398
"""Standard deviation of a standard normal cut at two standard deviations."""


def _scaled_normal(variance: Callable[[Weight], float]) -> Draw:
    return lambda rng, weight: rng.standard_normal(weight.shape) * math.sqrt(variance(weight))


def _scaled_uniform(variance: Callable[[Weight], float]) -> Draw:
    def draw(rng: np.random.Generator, weight: Weight) -> np.ndarray:
        bound = math.sqrt(3.0 * variance(weight))
        return rng.uniform(-bound, bound, weight.shape)

    return draw


def _truncated_normal(rng: np.random.Generator, weight: Weight) -> np.ndarray:
    drawn = rng.standard_normal(weight.shape)
    while (outside := np.abs(drawn) > 2.0).any():
        drawn[outside] = rng.standard_normal(int(outside.sum()))
    return drawn / TRUNCATED_STD


def _orthogonal(rng: np.random.Generator, weight: Weight) -> np.ndarray:
    columns = weight.shape[-1]
    rows = math.prod(weight.shape[:-1])
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # QR alone does not give a uniform (Haar) distribution
    return (q if rows >= columns else q.T).reshape(weight.shape)


INITIALIZERS: dict[str, Draw] = {
    "he_normal": _scaled_normal(lambda w: 2.0 / w.fan_in),
    "he_uniform": _scaled_uniform(lambda w: 2.0 / w.fan_in),
    "glorot_normal": _scaled_normal(lambda w: 2.0 / (w.fan_in + w.fan_out)),
    "glorot_uniform": _scaled_uniform(lambda w: 2.0 / (w.fan_in + w.fan_out)),
    "lecun_normal": _scaled_normal(lambda w: 1.0 / w.fan_in),
    "lecun_uniform": _scaled_uniform(lambda w: 1.0 / w.fan_in),
    "normal": lambda rng, weight: rng.standard_normal(weight.shape),
    "truncated_normal": _truncated_normal,
    "orthogonal": _orthogonal,
    "zeros": lambda rng, weight: np.zeros(weight.shape),
    "ones": lambda rng, weight: np.ones(weight.shape),
}
"""Initialisers by name. ``normal`` and ``truncated_normal`` have standard deviation 1 before ``scale``."""


def initialize(view: np.ndarray, weight: Weight, name: str, groups: SeedGroups) -> None:
    """Fill one tensor of R runs in place from streams keyed by (seed, tensor name).

    Args:
        view: the tensor, shape ``(R, *shape)``.
        weight: its declaration; ``weight.scale`` multiplies the drawn numbers, and ``weight.offset`` is added.
        name: the tensor's name.
        groups: the runs grouped by seed.

    Raises:
        InputError: the initialiser is unknown.
    """
    if weight.initial not in INITIALIZERS:
        raise InputError(f"{name}: no initialiser {weight.initial}{nearest(weight.initial, INITIALIZERS)}")
    draw = INITIALIZERS[weight.initial]
    drawn = np.stack([draw(stream(seed, "init", name), weight) for seed in groups.seeds])
    scale = trailing(np.asarray(weight.scale, dtype=np.float64), len(weight.shape))
    view[...] = groups.spread(drawn) * scale + weight.offset
