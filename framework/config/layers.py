"""Expansion of a config's list of layers to layer names and fields, one entry per layer.

Three abbreviations are allowed: a bare name is a layer with its defaults; ``activation: relu`` in a layer adds that
activation after it; a list for a field that takes one value repeats the layer, once per list entry. The word
``outputs`` in ``units`` and ``shape`` stands for the data set's target shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from framework.base.layer import Layer
from framework.base.parameters import Shape
from framework.config.part import Part, stacked
from framework.errors import InputError
from framework.registry.manager import Registered, find


def expand_layers(items: Any) -> tuple[Part, ...]:
    """Return one part per layer. The word ``outputs`` remains in its fields; see `with_outputs`.

    Args:
        items: the config's list: names, or mappings with ``layer: name`` and the layer's fields.

    Raises:
        InputError: ``items`` is not a list of layers, a layer or field is unknown, or a value is out of range.
    """
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        raise InputError("model.layers must be a list of layers, such as [flatten, {layer: dense, units: outputs}]")
    layers: list[Part] = []
    for index, item in enumerate(items):
        where = f"model.layers[{index}]"
        name, fields = _name_and_fields(item, where)
        entry = find_layer(name, where)
        activation = fields.pop("activation", None) if "activation" not in entry.cls.fields else None
        for single in _repeated(entry.cls, fields):
            layers.append(Part.of(entry, single, where))
            if activation not in (None, "linear"):
                layers.append(Part.of(find_layer(str(activation), where), {}, where))
    return tuple(layers)


def with_outputs(layers: Iterable[Part], target_shape: Shape) -> list[Part]:
    """Return the layers with the word ``outputs`` replaced.

    Args:
        layers: from `expand_layers`.
        target_shape: the shape of one sample's target.
    """
    words = {"units": math.prod(target_shape), "shape": tuple(target_shape)}
    replaced = []
    for layer in layers:
        own = {name: value for name, value in words.items() if layer.fields.get(name) == "outputs"}
        replaced.append(replace(layer, fields={**layer.fields, **own}) if own else layer)
    return replaced


def saved_layers(
    layers: Sequence[tuple[str, Mapping[str, Any]]], classes: Mapping[str, type[Layer]]
) -> list[tuple[str, Layer]]:
    """Return ``(layer name, layer)`` for each layer of a saved model.

    Args:
        layers: names and fields, one pair per layer.
        classes: layer classes by name, for names that this process's registry may not have.

    Raises:
        InputError: a layer or field is unknown, or a value is out of range.
    """
    resolved = [(name, classes.get(name) or find_layer(name, "model.layers").cls, fields) for name, fields in layers]
    return [(name, cls.stack([fields], f"model layer {name}")) for name, cls, fields in resolved]


def build_layers(rows: Sequence[Sequence[Part]]) -> list[tuple[str, Layer]]:
    """Return ``(layer name, layer)`` for each layer of R runs.

    Args:
        rows: the layers of each run; the lists must have the same structure, columns may differ.

    Raises:
        InputError: the structure differs between runs.
    """
    return [(same[0].name, stacked(same, f"model layer {same[0].name}")) for same in zip(*rows, strict=True)]


def find_layer(name: str, where: str) -> Registered:
    """Return the registered layer of a name.

    Args:
        name: the registered name.
        where: the place of the name in the config, for the error.

    Raises:
        InputError: no layer has this name.
    """
    try:
        return find("layer", name)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _name_and_fields(item: Any, where: str) -> tuple[str, dict[str, Any]]:
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and isinstance(item.get("layer"), str):
        fields = dict(item)
        return fields.pop("layer"), fields
    raise InputError(f"{where}={item} is not a layer: write its name, or a mapping with layer: NAME and its fields")


def _repeated(cls: type[Layer], fields: dict[str, Any]) -> list[dict[str, Any]]:
    lists = {
        name: value
        for name, value in fields.items()
        if isinstance(value, list | tuple) and name in cls.fields and not cls.fields[name].takes_list
    }
    if not lists:
        return [fields]
    if len({len(value) for value in lists.values()}) != 1:
        raise InputError(f"{', '.join(lists)}: lists that repeat a layer must have the same length")
    names = list(lists)
    return [{**fields, **dict(zip(names, values, strict=True))} for values in zip(*lists.values(), strict=True)]
