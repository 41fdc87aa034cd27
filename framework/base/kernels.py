"""Run an elementwise rule over the flat buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

BLOCK = 16_384
"""Elements a run and block: a rule's temporaries then stay in the second-level cache."""


def apply_rule(
    rule: Callable[..., Any],
    parameters: np.ndarray,
    gradients: np.ndarray,
    slots: Sequence[np.ndarray | None],
    keywords: Mapping[str, Any],
) -> None:
    """Move ``parameters`` and ``slots`` in place by ``rule``, block by block.

    Args:
        rule: ``rule(p, g, *slots, **keywords)`` returning the new p and the new slots.
        parameters: shape ``(R, size)``.
        gradients: shape ``(R, size)``; not altered.
        slots: shape ``(R, size)`` each, or None where a slot is not in use.
        keywords: columns ``(R, 1)`` in the parameters' dtype, and flags.

    Divisions by zero and overflows are part of some rules' ways (and of diverging runs); they follow IEEE 754
    without a warning.
    """
    runs, size = parameters.shape
    width = max(1, BLOCK // max(1, runs))
    with np.errstate(all="ignore"):
        for start in range(0, size, width):
            block = (slice(None), slice(start, start + width))
            held = [None if slot is None else slot[block] for slot in slots]
            new = rule(parameters[block], gradients[block], *held, **keywords)
            moved, *rest = new if isinstance(new, tuple) else (new,)
            parameters[block] = moved
            for slot, value in zip(slots, rest, strict=True):
                if slot is not None:
                    slot[block] = value
