"""Scaling is computed in float64 for any scale of a column and cast once."""

from __future__ import annotations

import numpy as np
import pytest
from runs import config, trained

from framework.data.prepare import Dataset, Raw, Samples
from framework.data.scaling import Scaling
from framework.errors import InputError

SHAPE = np.array([0.0, 1.0, 1.5, 0.2, 0.7])
STANDARD = (SHAPE - SHAPE.mean()) / SHAPE.std()


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1.0, 1e39, 1e200, 1e308])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_of_any_scale_is_standardised(scale, dtype):
    column = (SHAPE * scale)[:, None]
    scaling = Scaling.fit(column)
    np.testing.assert_allclose(scaling.apply(column, dtype)[:, 0], STANDARD, rtol=1e-6)
    back = scaling.invert(scaling.apply(column, np.float64))
    np.testing.assert_allclose(back, column, rtol=1e-12, atol=1e-12 * scale)


def test_columns_of_many_scales_do_not_disturb_one_another():
    scales = np.array([1e-170, 1.0, 1e39, 1e300])
    table = SHAPE[:, None] * scales
    np.testing.assert_allclose(Scaling.fit(table).apply(table, np.float32).T, np.tile(STANDARD, (4, 1)), rtol=1e-6)


def test_the_scaled_number_is_cast_once():
    x = 1.7e5 + np.random.default_rng(0).uniform(-1, 1, (5000, 2))
    scaling = Scaling.fit(x)
    exact = (x.astype(np.longdouble) - scaling.mean) / scaling.scale
    away = np.abs(scaling.apply(x, np.float32) - exact)
    assert (away <= np.spacing(np.abs(exact).astype(np.float32)) * 0.5001).all()


def given(x, y, **fields):
    class Given(Dataset):
        def load(self):
            return Raw(Samples(x, y))

    return Given(**fields)


def test_numbers_beyond_the_dtype_are_refused():
    x = np.linspace(0, 1e39, 50)[:, None]
    data = given(x, np.arange(50) % 2, scaling="none")
    with pytest.raises(
        InputError, match=r"inputs reach 1e\+39, which exceeds float32 after scaling: set dtype=float64"
    ):
        data.prepare(np.float32)
    assert data.prepare(np.float64).train.inputs.max() > 1e38


def test_examples_are_the_test_inputs_as_loaded():
    bytes_ = np.random.default_rng(0).integers(0, 256, (40, 3), dtype=np.uint8)
    for x in (bytes_, 1.7e9 + bytes_ / 7):
        data = given(x, np.arange(40) % 2).prepare(np.float32)
        assert data.examples.dtype == x.dtype
        np.testing.assert_array_equal(data.input_scaling.apply(data.examples, np.float32), data.test.inputs[:3])
        assert {row.tobytes() for row in data.examples} <= {row.tobytes() for row in x}


@pytest.fixture(scope="module")
def instants(tmp_path_factory):
    """A table of time stamps: large means, small spreads, in inputs and target."""
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 300))
    table = np.column_stack([1.7e9 + a, b, 1.6e9 + 10 * a + 3 * b])
    path = tmp_path_factory.mktemp("instants") / "instants.csv"
    rows = "\n".join(",".join(map(repr, row)) for row in table.tolist())
    path.write_text(f"a,b,y\n{rows}\n")
    chosen = config(
        dataset={"name": "file", "path": str(path)},
        model={"name": "linear", "layers": [{"layer": "dense", "units": "outputs"}]},
        loss={"name": "mse"},
        optimizer={"name": "adam", "lr": 0.05},
        epochs=60,
    )
    return table, trained(chosen)[0]


def test_predictions_keep_their_digits(instants):
    table, outcome = instants
    predicted = outcome.predictor.predict(table[:, :2])
    assert predicted.dtype == np.float64
    assert len(np.unique(predicted)) == len(table)
    assert np.abs(predicted[:, 0] - table[:, 2]).max() < 1e-3


def test_a_model_that_was_saved_keeps_them_too(instants, tmp_path):
    table, outcome = instants
    outcome.predictor.save(tmp_path)
    loaded = type(outcome.predictor).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(table[:, :2]), outcome.predictor.predict(table[:, :2]))
