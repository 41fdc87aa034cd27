"""Metrics against scikit-learn, in any split into batches, for runs side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import config, data_of, trained
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
    top_k_accuracy_score,
)

from framework.base.metric import Metric
from framework.errors import InputError
from plugins.metrics.accuracy import Accuracy
from plugins.metrics.mae import MeanAbsoluteError
from plugins.metrics.mae_units import MeanAbsoluteErrorInUnits
from plugins.metrics.mse import MeanSquaredError
from plugins.metrics.r2 import R2
from plugins.metrics.rmse_units import RootMeanSquaredErrorInUnits
from plugins.metrics.top_k import TopK

RUNS, SAMPLES, CLASSES, OUTPUTS = 3, 53, 6, 4
CLASSIFYING = [Accuracy(), TopK(k=1), TopK(k=3)]
MEASURING = [
    MeanSquaredError(),
    MeanAbsoluteError(),
    R2(),
    RootMeanSquaredErrorInUnits(),
    MeanAbsoluteErrorInUnits(),
]


def figure(metric: Metric, predictions: np.ndarray, targets: np.ndarray, cuts: Sequence[int] = ()) -> np.ndarray:
    """Return the metric over batches that end at the cuts."""
    metric.start(len(predictions))
    for start, stop in zip([0, *cuts], [*cuts, predictions.shape[1]], strict=True):
        metric.update(predictions[:, start:stop], targets[:, start:stop])
    return metric.value()


def scores(dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = np.concatenate([np.arange(CLASSES), rng.integers(0, CLASSES, SAMPLES - CLASSES)])[None]
    predictions = rng.standard_normal((RUNS, SAMPLES, CLASSES)) + 2 * np.eye(CLASSES)[labels]
    return predictions.astype(dtype), labels


def values(runs: int = RUNS, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    targets = rng.standard_normal((runs, SAMPLES, OUTPUTS)) * [1, 2, 3, 0.1] + [0, 5, -5, 1]
    return (targets + rng.standard_normal((RUNS, SAMPLES, OUTPUTS)) * 0.3).astype(dtype), targets.astype(dtype)


def drawn(metric: Metric, runs: int = RUNS, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    return scores(dtype) if isinstance(metric, Accuracy | TopK) else values(runs, dtype)


def name(metric: Any) -> str:
    return f"{type(metric).__name__}{getattr(metric, 'k', '')}"


each_metric = pytest.mark.parametrize("metric", [*CLASSIFYING, *MEASURING], ids=name)


def test_accuracy_and_top_k_are_scikit_learns() -> None:
    predictions, labels = scores()
    for run in range(RUNS):
        expected = accuracy_score(labels[0], predictions[run].argmax(axis=1))
        assert 0.3 < expected < 0.95
        assert figure(Accuracy(), predictions, labels)[run] == pytest.approx(expected, rel=1e-14)
        for k in (1, 2, 5):
            expected = top_k_accuracy_score(labels[0], predictions[run], k=k)
            assert figure(TopK(k=k), predictions, labels)[run] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("runs", [1, RUNS])
def test_mse_mae_and_r2_are_scikit_learns(runs: int) -> None:
    predictions, targets = values(runs)
    pairs = ((MeanSquaredError(), mean_squared_error), (MeanAbsoluteError(), mean_absolute_error), (R2(), r2_score))
    for metric, theirs in pairs:
        found = figure(metric, predictions, targets, [10, 20])
        expected = [theirs(targets[run if runs > 1 else 0], predictions[run]) for run in range(RUNS)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


IN_UNITS = [
    (RootMeanSquaredErrorInUnits, root_mean_squared_error),
    (MeanAbsoluteErrorInUnits, mean_absolute_error),
]


@pytest.mark.parametrize(("cls", "theirs"), IN_UNITS, ids=["rmse", "mae"])
@pytest.mark.parametrize("scale", [np.array([2.0, 30.0, 1e-3, 1e6]), np.array(255.0)], ids=["each", "all"])
def test_errors_in_units_are_those_of_the_targets_scaled_back(cls: Any, theirs: Any, scale: np.ndarray) -> None:
    predictions, targets = values(1)
    metric = cls()
    metric.target_scale = scale
    mean = np.array([2020.0, -5.0, 0.0, 1e7])
    expected = [theirs(targets[0] * scale + mean, predictions[run] * scale + mean) for run in range(RUNS)]
    np.testing.assert_allclose(figure(metric, predictions, targets, [10, 20]), expected, rtol=1e-6)


def test_a_regression_reports_its_error_in_the_targets_own_units(tmp_path: Path) -> None:
    a = np.random.default_rng(0).uniform(-1, 1, 200)
    table = "".join(f"{x!r},{1900 + 50 * x * x!r}\n" for x in a.tolist())
    (tmp_path / "years.csv").write_text(f"a,year\n{table}")
    chosen = config(
        dataset={"name": "file", "path": str(tmp_path / "years.csv"), "target": "year"},
        loss={"name": "mse"},
        metrics=["mse", "rmse_units", "mae_units", "r2"],
    )
    outcome = trained(chosen)[0]
    data = data_of(chosen)
    years = 1900 + 50 * np.square(data.input_scaling.invert(data.test.inputs))
    predicted = outcome.predictor.predict(data.input_scaling.invert(data.test.inputs))
    assert outcome.metrics["test/rmse_units"] == pytest.approx(root_mean_squared_error(years, predicted), rel=1e-4)
    assert outcome.metrics["test/mae_units"] == pytest.approx(mean_absolute_error(years, predicted), rel=1e-4)
    assert outcome.metrics["test/rmse_units"] > 2  # in years; the model's own units are about 15 of them
    assert list(config().metrics_for("regression")) == ["mse", "r2", "rmse_units"]


@each_metric
@pytest.mark.parametrize("cuts", [[1], [52], [10, 20, 30, 40, 50], list(range(1, SAMPLES))])
def test_figure_does_not_depend_on_the_batches(metric: Metric, cuts: list[int]) -> None:
    predictions, targets = drawn(metric)
    np.testing.assert_allclose(
        figure(metric, predictions, targets, cuts), figure(metric, predictions, targets), rtol=1e-13
    )


@each_metric
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("runs", [1, RUNS])
def test_same_bits_alone_and_in_any_row(metric: Metric, dtype: Any, runs: int) -> None:
    predictions, targets = drawn(metric, runs, dtype)
    together = figure(metric, predictions, targets, [20, 40])
    assert together.dtype == np.float64
    assert together.shape == (RUNS,)
    for run in range(RUNS):
        own = slice(run, run + 1)
        assert (
            figure(metric, predictions[own], targets[own] if len(targets) > 1 else targets, [20, 40]) == together[run]
        )


@each_metric
def test_start_forgets(metric: Metric) -> None:
    predictions, targets = drawn(metric)
    expected = figure(metric, predictions, targets)
    figure(metric, -predictions[:2], targets if len(targets) == 1 else targets[:2], [5])
    assert (figure(metric, predictions, targets) == expected).all()


@each_metric
def test_before_any_sample_the_figure_is_nan(metric: Metric) -> None:
    metric.start(2)
    assert np.isnan(metric.value()).tolist() == [True, True]


@each_metric
def test_a_run_of_nan_harms_no_other(metric: Metric) -> None:
    predictions, targets = drawn(metric)
    expected = figure(metric, predictions, targets)
    predictions[1] = np.nan
    found = figure(metric, predictions, targets, [1])
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-13)
    if metric in CLASSIFYING:
        assert found[1] == 0
    else:
        assert math.isnan(found[1])


@pytest.mark.parametrize("metric", [Accuracy(), TopK(k=1), TopK(k=3)], ids=name)
def test_one_nan_output_makes_its_sample_wrong_whatever_the_label(metric: Metric) -> None:
    predictions = np.array([[[np.nan, 0.0, 1.0], [0.0, np.nan, 1.0], [0.0, 0.5, 1.0]]])
    for label in range(3):
        assert figure(metric, predictions[:, :2], np.array([[label, label]])) == [0]
    assert figure(metric, predictions, np.array([[2, 2, 2]])) == pytest.approx([1 / 3])


def test_ties_count_against_the_model_in_top_k_and_go_to_the_first_in_accuracy() -> None:
    predictions = np.zeros((1, 4, 4))
    labels = np.array([[0, 1, 2, 3]])
    assert [figure(TopK(k=k), predictions, labels)[0] for k in (1, 2, 3, 4)] == [0, 0, 0, 1]
    assert figure(Accuracy(), predictions, labels) == [0.25]
    half = np.array([[[1.0, 1.0, 0.0, 0.0]]])
    assert [figure(TopK(k=k), half, np.array([[1]]))[0] for k in (1, 2)] == [0, 1]


def test_top_k_refuses_more_places_than_outputs() -> None:
    with pytest.raises(InputError, match="k=5"):
        figure(TopK(), np.zeros((1, 2, 3)), np.array([[0, 1]]))


@pytest.mark.parametrize(("predicted", "expected"), [("logits", 0.75), ("probabilities", 1.0), ("values", 1.0)])
def test_accuracy_of_a_single_output_knows_logits(predicted: str, expected: float) -> None:
    metric = Accuracy()
    metric.predicted = predicted
    predictions = np.array([[[0.9], [0.4], [-0.1], [0.6]]])
    assert figure(metric, predictions, np.array([[1, 0, 0, 1]])) == [expected]


def test_accuracy_of_a_single_output_at_a_threshold_of_ones_own() -> None:
    predictions = np.array([[[0.9], [0.4], [np.nan], [np.nan]]])
    assert figure(Accuracy(threshold=0.3), predictions, np.array([[1, 1, 0, 1]])) == [0.5]
    assert figure(Accuracy(threshold=0.4), predictions, np.array([[1, 0, 0, 1]])) == [0.5]


def test_accuracy_refuses_values_and_labels_without_an_output() -> None:
    with pytest.raises(InputError, match="labels"):
        figure(Accuracy(), np.zeros((1, 2, 3)), np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="3"):
        figure(Accuracy(), np.zeros((1, 2, 3)), np.array([[0, 3]]))
    with pytest.raises(InputError, match="2"):
        figure(Accuracy(), np.zeros((1, 2, 1)), np.array([[0, 2]]))


@pytest.mark.parametrize("metric", [MeanSquaredError(), MeanAbsoluteError(), R2()], ids=name)
def test_images_and_labels_are_compared_as_values(metric: Metric) -> None:
    predictions, targets = values()
    images = (RUNS, SAMPLES, 2, 2, 1)
    flat = figure(metric, predictions, targets)
    np.testing.assert_allclose(figure(metric, predictions.reshape(images), targets.reshape(images)), flat, rtol=1e-14)
    outputs, labels = scores()
    one_hot = np.eye(CLASSES)[labels]
    assert (figure(metric, outputs, labels, [7]) == figure(metric, outputs, one_hot, [7])).all()


@pytest.mark.parametrize("constant", [0.5, 0.1])
def test_r2_of_constant_targets_follows_scikit_learn(constant: float) -> None:
    targets = np.full((1, 11, 3), 0.5)
    targets[..., 1] = np.linspace(0, 1, 11)
    predictions = np.repeat(targets, 2, axis=0)
    predictions[1, 4] += 0.01
    expected = r2_score(targets[0], predictions[1])
    assert 0.33 < expected < 1 / 3  # two outputs of 0, one near 1
    for held in (predictions, targets):  # the mean of many 0.1 is not quite 0.1: there scikit-learn finds -3e28
        held[..., [0, 2]] += constant - 0.5
    for cuts in ([], [1, 5]):
        assert figure(R2(), predictions, targets, cuts) == pytest.approx([1, expected], rel=1e-12)


def test_r2_of_one_sample_is_nan() -> None:
    assert math.isnan(figure(R2(), np.ones((1, 1, 2)), np.zeros((1, 1, 2)))[0])


def test_r2_keeps_its_digits_far_from_zero() -> None:
    rng = np.random.default_rng(8)
    targets = 1e8 + rng.standard_normal((1, 2000, 1))
    predictions = targets + 0.5 * rng.standard_normal((1, 2000, 1))
    centred = r2_score(targets[0] - 1e8, predictions[0] - 1e8)
    assert figure(R2(), predictions, targets, range(100, 2000, 100)) == pytest.approx([centred], rel=1e-9)


def test_float32_sums_are_gathered_in_float64() -> None:
    rng = np.random.default_rng(9)
    predictions = rng.random((1, 40_000, 2), dtype=np.float32) + np.float32(10)
    targets = np.zeros((1, 40_000, 2), np.float32)
    exact = np.square(predictions).astype(np.float64).mean()
    assert figure(MeanSquaredError(), predictions, targets, [7, 1000]) == pytest.approx([exact], rel=1e-13)


def test_where_each_is_shown_and_which_way_is_up() -> None:
    shown = {type(metric): metric.shown_for for metric in (*CLASSIFYING, *MEASURING)}
    assert shown == {
        Accuracy: ("classification",),
        TopK: (),
        MeanSquaredError: ("regression", "reconstruction"),
        MeanAbsoluteError: (),
        R2: ("regression",),
        RootMeanSquaredErrorInUnits: ("regression",),
        MeanAbsoluteErrorInUnits: (),
    }
    assert [metric.greater_is_better for metric in MEASURING] == [False, False, True, False, False]
    assert all(set(metric.shown_for) <= set(metric.tasks) for metric in (*CLASSIFYING, *MEASURING))
