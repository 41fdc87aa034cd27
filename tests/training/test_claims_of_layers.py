"""Layers that declare ``replayable`` wrongly: NumPy trains them with one line in the log, and the kit fails them."""

from __future__ import annotations

import logging
from collections import deque

import numpy as np
import pytest
from runs import assert_same, config, trained

from framework.base.layer import Layer, Weight
from framework.checks.layers import layer_subject
from framework.checks.replays import layer_replays_as_numpy
from framework.checks.results import FAILED, PASSED, judge
from framework.hookspecs import hookimpl
from framework.registry import manager
from framework.specs import LayerSpec
from framework.training import passes, together


class Doubled(Layer):
    """y = 2 x."""

    replayable = True

    def forward(self, x, *, training):
        return x * 2.0

    def backward(self, dy, *, need_dx):
        return dy * 2.0 if need_dx else None


class Counting(Doubled):
    """Divides by the number of training steps so far."""

    steps = 0

    def forward(self, x, *, training):
        self.steps += training
        return x / (1.0 + self.steps)


class Warming(Doubled):
    """Changes its factor after five training steps."""

    steps = 0

    def forward(self, x, *, training):
        self.steps += training
        return x * (2.0 if self.steps < 5 else 3.0)


class WarmingArray(Doubled):
    """Counts in an array."""

    def forward(self, x, *, training):
        self.steps = vars(self).get("steps", np.zeros(1))
        self.steps += training
        return x * (2.0 if self.steps[0] < 5 else 3.0)


class WarmingInside(Doubled):
    """Counts in a dictionary of a list."""

    def forward(self, x, *, training):
        self.kept = vars(self).get("kept", [{"steps": 0}])
        self.kept[0]["steps"] += training
        return x * (2.0 if self.kept[0]["steps"] < 5 else 3.0)


class WarmingQueue(Doubled):
    """Counts in the length of a queue."""

    def forward(self, x, *, training):
        self.kept = vars(self).get("kept", deque())
        self.kept.extend([1] * training)
        return x * (2.0 if len(self.kept) < 5 else 3.0)


class WarmingIterator(Doubled):
    """Counts with an iterator."""

    def forward(self, x, *, training):
        self.steps = vars(self).get("steps", iter(range(1000)))
        return x * (2.0 if not training or next(self.steps) < 5 else 3.0)


class Slots:
    __slots__ = ("steps",)


class WarmingSlots(Doubled):
    """Counts in an object with slots."""

    def forward(self, x, *, training):
        if "kept" not in vars(self):
            self.kept = Slots()
            self.kept.steps = 0
        self.kept.steps += training
        return x * (2.0 if self.kept.steps < 5 else 3.0)


class PlainGradient(Doubled):
    """Writes the gradient of an offset by a plain array, which no recorded call does."""

    def weights(self, shape):
        return {"offset": Weight(shape)}

    def forward(self, x, *, training):
        return x + self.weight["offset"][:, None]

    def backward(self, dy, *, need_dx):
        np.add.reduce(np.asarray(dy), axis=1, out=np.asarray(self.gradient["offset"]))
        return dy * 1.0 if need_dx else None


class Echoing(Doubled):
    """Adds a hundredth of its output at the last step."""

    last = None

    def forward(self, x, *, training):
        y = x * 2.0
        if training:
            y = y if self.last is None or self.last.shape != y.shape else y + 0.01 * self.last
            self.last = y * 1.0
        return y


class Running(Doubled):
    """Subtracts a running mean, which is no buffer, in evaluation only."""

    mean = 0.0

    def forward(self, x, *, training):
        if not training:
            return x * 2.0 - self.mean
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=1, keepdims=True)
        return x * 2.0


class Summing(Doubled):
    """Subtracts a sum, which is no buffer and is added to in place, in evaluation only."""

    def forward(self, x, *, training):
        self.total = vars(self).get("total", np.zeros((len(x), 1, *x.shape[2:]), x.dtype))
        if not training:
            return x * 2.0 - self.total
        np.add(self.total, x.mean(axis=1, keepdims=True), out=self.total)
        return x * 2.0


class Drawing(Doubled):
    """Draws random numbers from a generator of its own."""

    def forward(self, x, *, training):
        self.generator = vars(self).get("generator", np.random.default_rng(3))
        self.factor = self.generator.random(x.shape[1:]).astype(x.dtype) if training else np.ones(1, x.dtype)
        return x * self.factor

    def backward(self, dy, *, need_dx):
        return dy * self.factor if need_dx else None


class DrawingAndSorting(Drawing):
    """Draws before a call that cannot be recorded."""

    def forward(self, x, *, training):
        return np.sort(super().forward(x, training=training))


class Deciding(Doubled):
    """Decides by a number that it takes out of the recording."""

    def forward(self, x, *, training):
        return x * (2.0 if np.asarray(x).max() < 6 else 3.0)


class Shaping(Doubled):
    """Enlarges as many numbers as there are positive ones, up to three."""

    def forward(self, x, *, training):
        y = x * 2.0
        y[..., : int((np.asarray(x) > 0).sum()) % 3] *= 2.0
        return y


class Selecting(Doubled):
    """Sets some numbers to zero by a list of their places."""

    def forward(self, x, *, training):
        y = x * 2.0
        y[..., [0, 1]] = 0.0
        return y


class Sorting(Doubled):
    """Sorts its numbers."""

    def forward(self, x, *, training):
        return np.sort(x)


class Overlapping(Doubled):
    """Writes to an array that overlaps an operand."""

    def forward(self, x, *, training):
        y = x * 2.0
        np.add(y[..., 1:], 1.0, out=y[..., :-1])
        return y


class Escaping(Doubled):
    """Computes with a plain array."""

    def forward(self, x, *, training):
        return np.asarray(x) * 2.0


FOLLOWS, DIFFERS = "the evaluation depends on", "differs from NumPy's"
WRONG = {
    Counting: "attribute steps of counting changes",
    Warming: "attribute steps of warming changes",
    WarmingArray: "attribute steps of warmingarray changes",
    WarmingInside: "attribute kept.0.steps of warminginside changes",
    WarmingQueue: "without a recorded call",
    WarmingIterator: "attribute steps of warmingiterator changes",
    WarmingSlots: "attribute kept.steps of warmingslots changes",
    PlainGradient: DIFFERS,
    Echoing: DIFFERS,
    Running: FOLLOWS,
    Summing: FOLLOWS,
    Drawing: "attribute generator.state.state of drawing",
    DrawingAndSorting: "uses numpy.sort",
    Deciding: DIFFERS,
    Shaping: DIFFERS,
    Selecting: "indexes with a list",
    Sorting: "uses numpy.sort",
    Overlapping: "overlaps an operand",
    Escaping: "attribute _x of dense changes from step to step without a recorded call",
}


class Remembering(Doubled):
    """Keeps constants by shape, an array for its results, and what `backward` needs: all of it is allowed."""

    def forward(self, x, *, training):
        self.factors = vars(self).get("factors", {})
        if x.shape not in self.factors:
            self.factors[x.shape] = np.linspace(0, 1, x[0].size, dtype=x.dtype).reshape(x.shape[1:])
        self.shape, self.training = x.shape, training
        if vars(self).get("y", np.empty(0)).shape != x.shape:
            self.y = np.empty(x.shape, x.dtype)
        return np.multiply(x, self.factors[x.shape], out=self.y)

    def backward(self, dy, *, need_dx):
        return dy * self.factors[self.shape] if need_dx else None


@pytest.fixture
def both(monkeypatch):
    """Return a function that trains a model with a layer in both engines, and the numbers of steps taken together."""

    class Plugin:
        @hookimpl
        def register_layers(self):
            yield from (LayerSpec(cls.__name__.lower(), cls) for cls in (*WRONG, Remembering))

    def train_both(cls):
        layers = ["flatten", {"layer": "dense", "units": 7}, cls.__name__.lower(), {"layer": "dense", "units": 10}]
        shared = {"model__layers": layers, "epochs": 5}
        return [
            trained(*(config(seed=run, optimizer__lr=lr, kernel=kernel, **shared) for run, lr in ((5, 0.02), (6, 0.3))))
            for kernel in ("numpy", "fused")
        ]

    taken = []
    original = together.Together.take
    monkeypatch.setattr(together.Together, "take", lambda self, *given: taken.append(given) or original(self, *given))
    passes.log_once.cache_clear()
    with manager.beside(manager.current()) as widened:
        widened.add(manager.Provider("third", "inline"), Plugin)
        yield train_both, taken


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.__name__)
def test_a_wrong_claim_changes_no_bit_and_is_logged_once(cls, both, caplog):
    train_both, taken = both
    with caplog.at_level(logging.WARNING, "framework"):
        for one, other in zip(*train_both(cls), strict=True):
            assert_same(one, other)
    assert taken == []
    (line,) = [record.getMessage() for record in caplog.records]
    assert WRONG[cls] in line


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.__name__)
def test_the_kit_fails_a_wrong_claim(cls):
    found = judge(layer_replays_as_numpy, layer_subject(cls))
    assert found.status == FAILED
    assert "it sets replayable = True, but" in found.reason or "numbers of replayed steps differ" in found.reason


def test_what_a_layer_may_keep(both, caplog):
    train_both, taken = both
    for one, other in zip(*train_both(Remembering), strict=True):
        assert_same(one, other)
    assert taken
    assert caplog.records == []
    assert judge(layer_replays_as_numpy, layer_subject(Remembering)).status == PASSED
