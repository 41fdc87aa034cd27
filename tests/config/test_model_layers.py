"""A config's list of layers, spelled out."""

from __future__ import annotations

import numpy as np
import pytest

from framework.config.layers import build_layers, expand_layers, find_layer, with_outputs
from framework.errors import InputError


def shape_of(items, target=(3,)):
    """Return names with the fields that were asked for."""
    return [(layer.name, layer.fields.get("units")) for layer in with_outputs(expand_layers(items), target)]


def fields_of(items):
    """Return names with all fields."""
    return [(layer.name, dict(layer.fields)) for layer in expand_layers(items)]


def test_a_name_is_a_layer_with_its_defaults():
    assert fields_of(["flatten", "dropout"]) == [("flatten", {}), ("dropout", {"rate": 0.5})]


def test_an_activation_stands_behind_its_layer():
    items = [
        {"layer": "dense", "units": 4, "activation": "relu"},
        {"layer": "dense", "units": 2, "activation": "linear"},
    ]
    assert shape_of(items) == [("dense", 4), ("relu", None), ("dense", 2)]
    assert shape_of([{"layer": "dense", "units": 4, "activation": None}]) == [("dense", 4)]


def test_a_list_repeats_the_layer_with_its_activation():
    items = [{"layer": "dense", "units": [5, 4], "activation": "tanh"}]
    assert shape_of(items) == [("dense", 5), ("tanh", None), ("dense", 4), ("tanh", None)]
    assert shape_of([{"layer": "dense", "units": []}, "relu"]) == [("relu", None)]


def test_lists_repeat_side_by_side():
    found = fields_of([{"layer": "conv2d", "filters": [2, 3], "kernel_size": [3, 5]}])
    assert [(fields["filters"], fields["kernel_size"]) for _, fields in found] == [(2, 3), (3, 5)]
    with pytest.raises(InputError, match="must have the same length"):
        expand_layers([{"layer": "conv2d", "filters": [2, 3], "kernel_size": [3, 5, 7]}])


def test_a_field_that_is_a_list_does_not_repeat():
    assert fields_of([{"layer": "reshape", "shape": [2, 3]}]) == [("reshape", {"shape": (2, 3)})]


def test_outputs_stands_for_the_targets():
    assert shape_of([{"layer": "dense", "units": "outputs"}], (8, 8, 1)) == [("dense", 64)]
    (reshape,) = with_outputs(expand_layers([{"layer": "reshape", "shape": "outputs"}]), (8, 8, 1))
    assert reshape.fields["shape"] == (8, 8, 1)
    assert shape_of([{"layer": "dense", "units": [7, "outputs"]}], (3,)) == [("dense", 7), ("dense", 3)]


def test_the_config_is_left_alone():
    items = [{"layer": "dense", "units": [5, "outputs"], "activation": "tanh"}]
    expand_layers(items)
    assert items == [{"layer": "dense", "units": [5, "outputs"], "activation": "tanh"}]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "must be a list of layers"),
        ("flatten", "must be a list of layers"),
        (None, "must be a list of layers"),
        ({"layer": "dense"}, "must be a list of layers"),
        (["flaten"], r"model\.layers\[0\]: no layer is called flaten; did you mean flatten"),
        (["flatten", {"units": 3}], r"model\.layers\[1\].*is not a layer"),
        (["flatten", 3], r"model\.layers\[1\]=3 is not a layer"),
        ([{"layer": "dense", "unit": 3}], r"model\.layers\[0\]\.unit.*did you mean units"),
        ([{"layer": "dense", "units": 0}], r"model\.layers\[0\]\.units"),
        ([{"layer": "dense", "units": "outpts"}], r"model\.layers\[0\]\.units"),
        ([{"layer": "dense", "units": 3, "activation": "rlu"}], r"model\.layers\[0\].*rlu"),
        ([{"layer": "dense", "units": [3, -1]}], r"model\.layers\[0\]\.units"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(items, said):
    with pytest.raises(InputError, match=said):
        expand_layers(items)


def test_layers_are_built_for_many_runs():
    one, two = (expand_layers([{"layer": "dropout", "rate": rate}, "relu"]) for rate in (0.1, 0.4))
    built = build_layers([one, two])
    assert [name for name, _ in built] == ["dropout", "relu"]
    assert np.array_equal(built[0][1].rate, [[0.1], [0.4]])
    assert isinstance(built[1][1], find_layer("relu", "").cls)
