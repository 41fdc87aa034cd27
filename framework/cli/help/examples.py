"""Example commands for a registered name, derived from its kind, its fields and its class attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from framework.base.fields import Configurable, Field
from framework.cli.help.topics import PROGRAM
from framework.errors import InputError
from framework.specs import SPECS

IMAGE = (8, 8, 1)
"""Shape of a sample of the default data set."""
NO_OTHERS = "~model.sizes ~model.activation"
"""Overrides that remove the default model's settings, which custom layers do not use."""
MODEL_FOR = {"probabilities": "model=blog_softmax"}
"""Override for losses that do not accept the default model's output, by what the loss expects."""
POINT = ("dataset=gradient_noise", "model=point", "'metrics=[]'")
"""Overrides for losses that accept one shape only, with the number of dimensions."""
LOSS_FOR = {"regression": "loss=mse"}
"""Override for data sets whose task the default loss does not support, by task."""
PROBLEM_FOR = {"regression": "problem=diabetes_regression", "reconstruction": "problem=digits_autoencoder"}
"""Override for each task other than the default problem's."""


def examples(kind: str, name: str, cls: type[Configurable]) -> tuple[str, ...]:
    """Return commands that work as typed, the simplest first; words in capitals are placeholders for values."""
    if kind in _WORDS:
        several = _WORDS[kind](name, cls)
    else:
        several = _section(kind, name, cls) if SPECS[kind].has_section else iter(())
    return tuple(f"{PROGRAM} {' '.join(filter(None, words))}" for words in several)


def value(field: Field) -> str | None:
    """Return an example value of a field, or None if none is known.

    It differs from the default if another value is certain to be valid.
    """
    if field.kind == "flag":
        return str(not field.default).lower()
    if field.choices:
        return next((choice for choice in field.choices if choice != field.default), None)
    if field.search is not None:
        return next(f"{bound:g}" for bound in reversed(field.search) if bound != field.default)
    if field.kind in ("integer", "number") and not isinstance(field.default, str):
        if field.default is None:
            return f"{max(field.at_least or 0, field.above or 0, 5):g}"
        unbounded = field.kind == "integer" and field.at_most is None
        return f"{field.default * 2 or 1 if unbounded else field.default:g}"
    return None


def _first_value(kind: str, cls: type[Configurable]) -> tuple[str, str] | None:
    """Return the first field with an example value, and the value; the class's own fields precede those of its kind."""
    base = SPECS[kind].base.fields
    ordered = sorted(cls.fields.items(), key=lambda item: base.get(item[0]) is item[1])
    shown = ((name, value(field)) for name, field in ordered)
    return next(((name, text) for name, text in shown if text is not None), None)


def _section(kind: str, name: str, cls: type[Configurable], *more: str) -> Iterator[Sequence[str]]:
    yield (f"{kind}={name}", *more)
    first = _first_value(kind, cls)
    if first is not None:
        yield (f"{kind}={name}", f"{kind}.{first[0]}={first[1]}", *more)


def _optimizer(name: str, cls: type[Configurable]) -> Iterator[Sequence[str]]:
    lr = cls.fields.get("lr")
    yield (f"optimizer={name}", f"optimizer.lr={lr.default:g}" if lr else "")
    rates = f"optimizer.lr={','.join(_spread(lr))}" if lr and lr.search else "'seed=range(3)'"
    yield ("-m", f"optimizer={name}", rates)


def _spread(field: Field) -> list[str]:
    """Return both ends and the middle of the range that a tuner searches, without duplicates."""
    low, high = field.search or (field.default, field.default)
    middle = math.sqrt(low * high) if field.prior == "log" else (low + high) / 2
    return list(dict.fromkeys(f"{rate:.2g}" for rate in (low, middle, high)))


def _loss(name: str, cls: type[Any]) -> Iterator[Sequence[str]]:
    if cls.example_shape is not None:  # such a loss is a function of the parameters
        dimensions = math.prod(cls.example_shape)
        return _section("loss", name, cls, *POINT, f"dataset.dimensions={dimensions}")
    return _section("loss", name, cls, MODEL_FOR.get(cls.expects, ""))


def _dataset(name: str, cls: type[Any]) -> Iterator[Sequence[str]]:
    needs = needed(cls)
    if needs:
        return iter([(f"dataset={name}", needs)])
    return _section("dataset", name, cls, LOSS_FOR.get(cls.task, "") if isinstance(cls.task, str) else "")


def needed(cls: type[Any]) -> str:
    """Return the setting that a data set needs to have samples, with a placeholder in capitals; "" if it needs none."""
    try:
        if not cls.downloads:
            cls().stamp()
    except InputError:
        path = next(key for key, field in cls.fields.items() if field.kind == "text" and field.default is None)
        return f"dataset.{path}={path.upper()}"
    return ""


def _stage(name: str, cls: type[Configurable]) -> Iterator[Sequence[str]]:
    first = _first_value("stage", cls)
    yield (f"'stages=[{name}]'", f"stages.{name}.{first[0]}={first[1]}" if first else "")


def _metric(name: str, cls: type[Any]) -> Iterator[Sequence[str]]:
    problem = "" if "classification" in cls.tasks else next((PROBLEM_FOR[task] for task in cls.tasks), "")
    yield (problem, f"'metrics=[{name}]'")
    first = _first_value("metric", cls)
    if first is not None:
        yield (problem, f"'metrics=[{{metric: {name}, {first[0]}: {first[1]}}}]'")


def _layer(name: str, cls: type[Any]) -> Iterator[Sequence[str]]:
    for fields in ({}, *cls.examples):
        for before, shape in _places(fields):
            output = _output(cls, fields, shape)
            if output is not None:
                after = [] if len(output) == 1 else ["flatten"]
                layers = [*before, _item(name, fields), *after, "{layer: dense, units: outputs}"]
                yield (f"'model.layers=[{','.join(layers)}]'", NO_OTHERS)
                if _keeps_shapes(cls):
                    yield (f"model.activation={name}",)
                return


def _places(fields: Mapping[str, Any]) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Yield positions to try for a layer: the layers before it and their output shape."""
    yield ["flatten"], (math.prod(IMAGE),)
    yield [], IMAGE
    for shape in fields.values():
        if isinstance(shape, tuple):  # a shape, whose size must equal that of the input
            yield ["flatten", f"{{layer: dense, units: {math.prod(shape)}}}"], (math.prod(shape),)


def _output(cls: type[Any], fields: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        output: tuple[int, ...] = cls(**fields).output_shape(shape)
    except InputError:
        return None
    return output


def _item(name: str, fields: Mapping[str, Any]) -> str:
    if not fields:
        return name
    texts = {key: f"[{','.join(map(str, held))}]" if isinstance(held, tuple) else held for key, held in fields.items()}
    return f"{{layer: {name}, {', '.join(f'{key}: {text}' for key, text in texts.items())}}}"


def _keeps_shapes(cls: type[Any]) -> bool:
    """Return whether the layer can be an activation: it has no weights and no noise, and keeps the input's shape."""
    shapes = (IMAGE, (math.prod(IMAGE),))
    same = all(_output(cls, {}, shape) == shape for shape in shapes)
    return same and not cls.noisy and not cls().weights(IMAGE)


_WORDS: dict[str, Callable[[str, type[Any]], Iterator[Sequence[str]]]] = {
    "optimizer": _optimizer,
    "loss": _loss,
    "dataset": _dataset,
    "stage": _stage,
    "metric": _metric,
    "layer": _layer,
}
