"""Expansion of a config's list of layers to layer names and fields, one entry per layer.

Three abbreviations are allowed: a bare name is a layer with its defaults; ``activation: relu`` in a layer adds that
activation after it; a list for a field that takes one value repeats the layer, once per list entry. The word
``outputs`` in ``units`` and ``shape`` stands for the data set's target shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from framework.base.layer import Layer
from framework.base.parameters import Shape
from framework.errors import InputError
from framework.registry.manager import find

LayerConfig = tuple[str, dict[str, Any]]


def expand_layers(items: Any, target_shape: Shape) -> list[LayerConfig]:
    """Return ``(layer name, checked fields)`` for each layer.

    Args:
        items: the config's list: names, or mappings with ``layer: name`` and the layer's fields.
        target_shape: the shape of one sample's target, which replaces the word ``outputs``.

    Raises:
        InputError: ``items`` is not a list of layers, a layer or field is unknown, or a value is out of range.
    """
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        raise InputError("model.layers must be a list of layers, such as [flatten, {layer: dense, units: outputs}]")
    layers: list[LayerConfig] = []
    for place, item in enumerate(items):
        where = f"model.layers[{place}]"
        name, fields = _name_and_fields(item, where)
        cls = find_layer(name, where)
        activation = fields.pop("activation", None) if "activation" not in cls.fields else None
        for single in _repeated(cls, fields):
            layers.append((name, _replace_words(cls.resolve(single, where), target_shape)))
            if activation not in (None, "linear"):
                layers.append((str(activation), find_layer(str(activation), where).resolve({}, where)))
    return layers


def build_layers(
    layers: Sequence[Sequence[LayerConfig]], classes: Mapping[str, type[Layer]] = MappingProxyType({})
) -> list[tuple[str, Layer]]:
    """Return ``(layer name, layer)`` for each layer of R runs.

    Args:
        layers: one list of names and fields per run; the lists must have the same structure, columns may differ.
        classes: layer classes by name, for names that this process's registry may not have.

    Raises:
        InputError: an unknown layer, or the structure differs between runs.
    """
    built = []
    for same in zip(*layers, strict=True):
        name = same[0][0]
        cls = classes[name] if name in classes else find_layer(name, "model.layers")
        built.append((name, cls.stack([fields for _, fields in same], f"model layer {name}")))
    return built


def find_layer(name: str, where: str) -> type[Layer]:
    """Return the layer class of a name.

    Args:
        name: the registered name.
        where: the place of the name in the config, for the error.

    Raises:
        InputError: no layer has this name.
    """
    try:
        return find("layer", name).cls
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
        raise InputError(f"{', '.join(lists)}: lists that repeat a layer must have one length")
    names = list(lists)
    return [{**fields, **dict(zip(names, values, strict=True))} for values in zip(*lists.values(), strict=True)]


def _replace_words(fields: dict[str, Any], target_shape: Shape) -> dict[str, Any]:
    replaced = dict(fields)
    if replaced.get("units") == "outputs":
        replaced["units"] = math.prod(target_shape)
    if replaced.get("shape") == "outputs":
        replaced["shape"] = list(target_shape)
    return replaced
