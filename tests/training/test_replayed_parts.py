"""Replayed passes have NumPy's bits: every layer, every loss and every model, which are found and not listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import data_of

from framework.base.layer import Layer, Weight
from framework.base.loss import Loss
from framework.base.numerics import same_bits
from framework.checks.layers import layer_subject
from framework.checks.losses import loss_subject
from framework.checks.settings import spread
from framework.cli.help.presets import Presets
from framework.config.layers import build_layers
from framework.data.batches import Batch
from framework.errors import InputError
from framework.registry import manager
from framework.training.model import Model
from framework.training.passes import Passes, numpy_gradients

BUILT_IN = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
PRESETS = Presets.of()
LARGE, SMALL = 7, 5
SIZES = (LARGE, LARGE, SMALL, LARGE, SMALL, SMALL, LARGE, SMALL)
"""Samples per batch: of each size one is recorded, one compared, the others replayed."""

DTYPES = pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
RUNS = pytest.mark.parametrize("runs", [1, 3, 32])


class Times(Loss):
    """The sum of prediction times target: its gradient is the target."""

    replayable = True

    def forward(self, predictions, targets):
        self._targets = targets
        return np.add.reduce((predictions * targets).reshape(len(predictions), -1), axis=1)

    def backward(self):
        return self._targets


class Shift(Layer):
    """Adds a trained tensor."""

    replayable = True

    def weights(self, shape):
        return {"shift": Weight(shape)}

    def forward(self, x, *, training):
        return np.add(x, self.weight["shift"][:, None])

    def backward(self, dy, *, need_dx):
        np.add.reduce(dy, axis=1, out=self.gradient["shift"])
        return dy.copy() if need_dx else None


def assert_replays(make, batches):
    """Assert that passes over batches have NumPy's bits while a model descends, and that they are replayed.

    Args:
        make: returns a new model and a new loss.
        batches: the batches; both sizes more than twice.
    """
    (model, loss), (plain, other) = make(), make()
    passes = Passes(model, loss, replays=True)
    for each in (model, plain):
        each.begin_epoch(1)
    with np.errstate(all="ignore"):
        for batch in batches:
            inputs, targets = batch.inputs.copy(), batch.targets.copy()
            found = [*passes.write(batch), model.gradients.flat, model.buffers.flat]
            expected = [*numpy_gradients(plain, other, inputs, targets), plain.gradients.flat, plain.buffers.flat]
            assert all(same_bits(one, two) for one, two in zip(found, expected, strict=True))
            for each in (model, plain):
                each.parameters.flat -= 0.1 * each.gradients.flat
    assert passes.refusal == ""
    assert all(passes.program(size) for size in (LARGE, SMALL))


def drawn(key, shape, dtype):
    return np.random.default_rng(key).standard_normal(shape).astype(dtype)


def batches_of(inputs, targets):
    """Return batches of `SIZES` from functions of step and size; the last two have NaN and infinity in one run."""
    batches = [Batch(inputs(step, size), targets(step, size)) for step, size in enumerate(SIZES)]
    for batch in batches[-2:]:
        flat = batch.inputs[-1].reshape(-1)
        flat[:1], flat[1:2], flat[2:3] = np.nan, np.inf, -np.inf
    return batches


def built_in(kind):
    return [name for name in BUILT_IN.names(kind) if not getattr(BUILT_IN.find(kind, name).cls, "external", "")]


@DTYPES
@RUNS
@pytest.mark.parametrize("name", built_in("layer"))
def test_layers(name, runs, dtype):
    for case in layer_subject(BUILT_IN.find("layer", name).cls).cases:
        rows = spread(case.cls, case.values)

        def make(case=case, rows=rows):
            layers = [case.cls.stack([rows[run % len(rows)] for run in range(runs)]), Shift.stack([{}] * runs)]
            model = Model([("first", layers[0]), ("shift", layers[1])], case.shape, range(runs), np.dtype(dtype))
            return model, Times.stack([{}])

        def inputs(step, size, case=case):
            return drawn([step, 0], (runs, size, *case.shape), dtype)

        def slopes(step, size, case=case):
            return drawn([step, 1], (runs, size, *case.cls(**case.values).output_shape(case.shape)), dtype)

        assert_replays(make, batches_of(inputs, slopes))


@DTYPES
@RUNS
@pytest.mark.parametrize("name", built_in("loss"))
def test_losses(name, runs, dtype):
    for case in loss_subject(BUILT_IN.find("loss", name).cls).cases:

        def make(case=case):
            loss = case.loss([run % 3 for run in range(runs)])
            loss.labels_checked, loss.shares_checked = case.targets == "labels", case.targets == "shares"
            model = Model([("shift", Shift.stack([{}] * runs))], case.output, range(runs), np.dtype(dtype))
            return model, loss

        def inputs(step, size, case=case):
            return case.predictions(range(step, step + runs), dtype, size)

        def targets(step, size, case=case):
            return case.target(range(step, step + runs), dtype, size)

        assert_replays(make, batches_of(inputs, targets))


def problems():
    """Return one problem per pair of model and loss, by the pair."""
    found = {}
    for name in PRESETS.names("problem"):
        try:
            config = PRESETS.problem(name).config
        except InputError:  # its samples are the user's
            continue
        found.setdefault((config.model, config.parts["loss"].name), name)
    return found


def test_every_model_has_a_problem():
    models = {path.stem for path in (Path(__file__).parents[2] / "conf" / "model").glob("*.yaml")}
    assert models == {model for model, _ in problems()}


@DTYPES
@pytest.mark.parametrize("runs", [1, 3, pytest.param(32, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", list(problems().values()))
def test_models(name, runs, dtype):
    config = PRESETS.problem(name).config
    dataset = config.parts["dataset"]
    if dataset.cls.downloads:
        shape, reconstruct = (28, 28, 1), dataset.fields["reconstruct"]
        train = None
    else:
        data = data_of(config)
        train, shape, reconstruct = data.train, data.input_shape, False
    target = shape if reconstruct else (10,) if train is None else data.target_shape

    def make():
        layers = build_layers([config.layers_for(target)] * runs)
        loss = config.parts["loss"].cls.stack(
            [config.parts["loss"].fields] * runs, labels_checked=True, shares_checked=True
        )
        return Model(layers, shape, range(runs), np.dtype(dtype)), loss

    def inputs(step, size):
        if train is None:
            return np.abs(drawn([step, 0], (runs, size, *shape), dtype)) % 1
        return train.inputs[places(step, size)].astype(dtype)

    def targets(step, size):
        if reconstruct:
            return inputs(step, size)
        if train is None:
            return np.random.default_rng([step, 1]).integers(0, 10, (runs, size))
        chosen = train.targets[places(step, size)]
        return chosen.astype(dtype) if chosen.dtype.kind == "f" else chosen

    def places(step, size):
        return np.random.default_rng([step, 2]).integers(0, len(train), (runs, size))

    assert_replays(make, batches_of(inputs, targets))
