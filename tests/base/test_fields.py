"""Declared fields: types, ranges, messages, and one instance for many runs."""

import numpy as np
import pytest

from framework.base.fields import Configurable, choice, flag, hyper, integer, integers, number, text
from framework.errors import InputError


class Sample(Configurable):
    """A sample of every kind of field."""

    lr: float = hyper(1e-3, above=0)
    beta: float = hyper(0.9, at_least=0, below=1)
    share: float = number(0.5, at_most=1)
    count: int = integer(3, at_least=1)
    units: int | str = integer("outputs", words=("outputs",), at_least=1)
    sizes: tuple[int, ...] = integers((2, 3), at_least=1)
    turn: bool = flag(False)
    mode: str = choice("a", ("a", "b"))
    path: str | None = text(None)

    @classmethod
    def constraints(cls, values):
        return "turn needs mode=b" if values["turn"] and values["mode"] == "a" else None


def test_defaults_are_what_was_declared():
    sample = Sample()
    assert sample.lr.tolist() == [[1e-3]] and sample.lr.dtype == np.float64
    assert (sample.share, sample.count, sample.units, sample.sizes) == (0.5, 3, "outputs", (2, 3))
    assert (sample.turn, sample.mode, sample.path) == (False, "a", None)


def test_lists_make_a_population_and_single_values_broadcast():
    sample = Sample(lr=[0.1, 0.2, 0.3], beta=0.5)
    assert sample.lr.tolist() == [[0.1], [0.2], [0.3]]
    assert sample.beta.tolist() == [[0.5]] * 3


def test_stack_keeps_columns_apart_and_refuses_different_structure():
    stacked = Sample.stack([{"lr": 0.1}, {"lr": 0.2}])
    assert stacked.lr.tolist() == [[0.1], [0.2]]
    with pytest.raises(InputError, match=r"x\.count differs between runs"):
        Sample.stack([{"count": 1}, {"count": 2}], "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0.0}, r"^at\.lr=0 is out of range: it must be > 0$"),
        ({"lr": -1}, r"^at\.lr=-1 is out of range"),
        ({"lr": float("nan")}, r"^at\.lr=nan is out of range"),
        ({"lr": float("inf")}, r"^at\.lr=inf is out of range"),
        ({"lr": "abc"}, r"^at\.lr=abc is not a number: it must be > 0$"),
        ({"lr": True}, r"^at\.lr=true is not a number"),
        ({"lr": None}, r"^at\.lr=null is not a number"),
        ({"beta": 1.0}, r"^at\.beta=1 is out of range: it must be in \[0, 1\)$"),
        ({"share": 1.5}, r"^at\.share=1\.5 is out of range: it must be <= 1$"),
        ({"count": 0}, r"^at\.count=0 is out of range: it must be >= 1$"),
        ({"count": 1.5}, r"^at\.count=1\.5 is not a whole number"),
        ({"units": "inputs"}, r"^at\.units=inputs is not a whole number or outputs"),
        ({"sizes": 3}, r"^at\.sizes=3 is not a list of whole numbers"),
        ({"sizes": [2, 0]}, r"^at\.sizes\[1\]=0 is out of range"),
        ({"turn": 1}, r"^at\.turn=1 is not true or false"),
        ({"mode": "c"}, r"^at\.mode=c is not known; .*a, b"),
        ({"path": 3}, r"^at\.path=3 is not a text or null"),
        ({"lrr": 1}, r"^at\.lrr: Sample has no such field; did you mean lr\?"),
        ({"turn": True}, r"^at: turn needs mode=b$"),
    ],
)
def test_wrong_values_are_refused_with_place_value_and_range(values, message):
    with pytest.raises(InputError, match=message):
        Sample.resolve(values, "at")


def test_whole_floats_count_as_integers_and_words_pass():
    resolved = Sample.resolve({"count": 4.0, "units": "outputs", "path": None})
    assert resolved["count"] == 4 and isinstance(resolved["count"], int)
    assert resolved["units"] == "outputs"


def test_subclasses_inherit_and_override_fields():
    class Child(Sample):
        """A child."""

        lr: float = hyper(0.5, above=0, below=1)
        extra: int = integer(7)

    assert Child.defaults()["lr"] == 0.5
    assert Child.defaults()["count"] == 3
    assert Sample.defaults()["lr"] == 1e-3
    assert "extra" not in Sample.fields


def test_ranges_read_well():
    said = {name: field.range() for name, field in Sample.fields.items()}
    assert said["lr"] == "> 0"
    assert said["beta"] == "in [0, 1)"
    assert said["units"] == ">= 1, or outputs"
    assert said["mode"] == "one of a, b"
    assert said["path"] == "any text, or null"
    assert said["turn"] == "true or false"
