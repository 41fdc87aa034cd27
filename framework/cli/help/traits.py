"""Describe the properties that plugin classes declare, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framework.base.optimizer import Optimizer

WORDS: Mapping[str, Mapping[str, str]] = {
    "optimizer": {
        "elementwise": "elementwise",
        "couples_tensors": "whole run",
        "own_step_size": "own step size",
        "needs_closure": "evaluates the loss again",
        "needs_loss": "uses the loss",
    },
    "stage": {"needs_lr": "needs a learning rate"},
    "schedule": {"needs_total": "needs the number of steps"},
    "layer": {"noisy": "random in training"},
    "metric": {"greater_is_better": "greater is better"},
    "dataset": {"downloads": "may download"},
}
"""Words for the class attributes of each kind that are True."""


def traits(kind: str, cls: type[Any]) -> Iterator[str]:
    """Yield the declared properties of a class of a kind, in words."""
    yield from (words for name, words in WORDS.get(kind, {}).items() if getattr(cls, name) is True)
    if kind == "optimizer":
        if not (cls.elementwise or cls.couples_tensors):
            yield "per tensor"
        if not getattr(cls, "exact", True):
            yield "NumPy only"
        if cls.evaluation_point is not Optimizer.evaluation_point:
            yield "evaluates other parameters"
        if cls.warning:
            yield "as published, quirks included"
        if cls.external:
            yield f"computed by {cls.external}"
    if kind == "loss":
        yield f"expects {cls.expects}"
    if kind == "metric":
        yield from cls.tasks
    if kind == "dataset":
        yield cls.task if isinstance(cls.task, str) else "any task"
