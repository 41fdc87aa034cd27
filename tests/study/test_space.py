"""Search spaces: rounded values, extensions of ranges, edges, and what users may override."""

import numpy as np
import pytest

from framework import InputError
from framework.base.fields import hyper, number
from framework.study.settings import ranges_of
from framework.study.space import Axis, at_edge, axes_of, shares_of

LR = hyper(1e-3, above=0, prior="log", search=(1e-4, 1e-1))
BETA = hyper(0.9, at_least=0, below=1, prior="log 1-x", search=(0.5, 0.99))
DAMPENING = hyper(0.0, at_least=0, at_most=1, prior="linear", search=(0.0, 0.9))


@pytest.mark.parametrize(
    ("field", "share", "value"),
    [
        (LR, 0.5, 0.00316),  # 10^-2.5, to three digits
        (LR, 0.0, 1e-4),
        (LR, 1.0, 1e-1),
        (BETA, 0.5, 0.9293),  # 1 - sqrt(.5 * .01) = 1 - .0707
        (BETA, 1.0, 0.99),
        (DAMPENING, 0.5, 0.45),
    ],
    ids=["log_middle", "log_low", "log_high", "near_one", "near_one_high", "linear"],
)
def test_values(field, share, value):
    assert Axis("x", field).value(share) == value


@pytest.mark.parametrize("field", [LR, BETA, DAMPENING], ids=["log", "near_one", "linear"])
def test_shares_invert_values(field):
    axis = Axis("x", field)
    shares = np.linspace(0, 1, 7)
    back = [shares_of([axis], [field.at(share)])[0] for share in shares]
    np.testing.assert_allclose(back, shares, atol=1e-12)


@pytest.mark.parametrize(
    ("field", "up", "search"),
    [
        (LR, True, (1e-4, 1.0)),
        (LR, False, (1e-5, 1e-1)),
        (BETA, True, (0.5, 0.999)),
        (BETA, False, (0.0, 0.99)),  # 1 - 10 * .5 is below the field's bound
        (DAMPENING, True, (0.0, 1.0)),  # doubled, then cut to the bound
        (DAMPENING, False, None),  # it begins at the bound
        (hyper(0.1, above=0, below=1, prior="log", search=(0.01, 0.5)), True, None),  # 5 is no value, nor is 1
    ],
    ids=["log_up", "log_down", "near_one_up", "near_one_down", "linear_up", "linear_down", "bound"],
)
def test_extension_by_a_decade(field, up, search):
    wider = Axis("x", field).extended(up=up)
    if search is None:
        assert wider is None
    else:
        np.testing.assert_allclose((wider.low, wider.high), search)


def test_edges():
    """Of 8 even points one is in each outer eighth."""
    middles = (np.arange(8) + 0.5) / 8
    assert [at_edge(share, 8) for share in middles] == [-1, 0, 0, 0, 0, 0, 0, 1]
    assert [at_edge(share, 2) for share in (0.0, 1.0)] == [0, 0]


def test_axes_leave_out_fixed_and_missing_fields():
    fields = {"lr": LR, "beta1": BETA}
    axes = axes_of("adam", fields, ("lr", "beta1", "rho"), ["beta1"], {("adam", "lr"): (1e-3, 1.0)})
    assert [(axis.name, axis.low, axis.high) for axis in axes] == [("lr", 1e-3, 1.0)]


@pytest.mark.parametrize(
    ("name", "own", "message"),
    [
        ("lr", (-1.0, 1.0), "out of range"),
        ("lr", (1.0, 1e-3), "empty"),
        ("steps", (1.0, 2.0), "only numbers that may differ"),
        ("eps", None, "declares no range for eps"),
    ],
    ids=["bounds", "descending", "structure", "undeclared"],
)
def test_wrong_ranges(name, own, message):
    fields = {"lr": LR, "steps": number(3.0), "eps": hyper(1e-8, at_least=0)}
    ranges = {} if own is None else {("adam", name): own}
    with pytest.raises(InputError, match=message):
        axes_of("adam", fields, (name,), [], ranges)


def test_ranges_of_names_with_a_slash():
    assert ranges_of({"torch": {"adamw": {"lr": [1e-4, 1]}}}) == {("torch/adamw", "lr"): (1e-4, 1.0)}


@pytest.mark.parametrize(
    "search",
    [3, {"adam": [1, 2]}, {"adam": {"lr": [1]}}, {"adam": {"lr": "low"}}, {"adam": {"lr": [True, 2]}}],
    ids=["no_mapping", "no_field", "one_end", "text", "flag"],
)
def test_odd_ranges(search):
    with pytest.raises(InputError, match=r"study\.search"):
        ranges_of(search)
