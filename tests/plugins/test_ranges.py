"""The ranges of learning rates that tuners search: equal for twins, and wide enough for values known to be best."""

from __future__ import annotations

import re

import pytest
from places import ROOT

from framework.registry import manager

HELD = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
NAMES = [name for kind, name in sorted(HELD.entries) if kind == "optimizer"]
KNOWN = [
    ("sgd", 1.585e-2),  # DeepOBS, quadratic_deep, as the next two
    ("momentum", 2.512e-3),
    ("adam", 3.981e-2),
    ("sgd", 3.0),  # Nielsen 2015, MNIST with the quadratic loss
    ("adam", 3e-3),  # optax's example on Rosenbrock's function
]
README = re.findall(r"(\w+) lr=([\d.e-]+)", (ROOT / "README.md").read_text(encoding="utf-8"))


def rate(name):
    return HELD.find("optimizer", name).cls.fields.get("lr")


def twin(name):
    """Return the optimizer of this project that has the same name as one of a family, or None."""
    bare = name.partition("/")[2]
    return next((own for own in (bare, bare.replace("_", "")) if own in NAMES), None)


PAIRS = [(name, twin(name)) for name in NAMES if "/" in name and twin(name) and rate(name) and rate(twin(name))]


@pytest.mark.parametrize(("name", "own"), PAIRS, ids=[name for name, _ in PAIRS])
def test_twins_search_the_same_range(name, own):
    assert (rate(name).search, rate(name).prior) == (rate(own).search, rate(own).prior)


def test_the_blog_has_twins():
    assert {name for name, _ in PAIRS} >= {
        f"blog/{name}" for name in ("sgd", "momentum", "rmsprop", "adagrad", "adamax")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    sorted({*KNOWN, *((name, float(value)) for name, value in README)}),
    ids=lambda value: f"{value}",
)
def test_a_value_known_to_be_best_is_inside(name, value):
    low, high = rate(name).search
    assert low < value < high
