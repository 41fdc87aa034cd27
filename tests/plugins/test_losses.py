"""Losses: values against plain loops, gradients against central differences, and the same bits in any population."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from losses_cases import BATCH, CASES, RUNS, Case

from framework.base.loss import as_labels, as_values
from framework.errors import InputError
from plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from plugins.losses.binary_cross_entropy_logits import BinaryCrossEntropyLogits
from plugins.losses.categorical_cross_entropy import CategoricalCrossEntropy
from plugins.losses.hinge import Hinge
from plugins.losses.mse import MSE
from plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def draw(case: Case, *, shared: bool = False, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return case.predictions(rng, dtype), case.draw_targets(rng, 1 if shared else RUNS, dtype)


@each_case
@pytest.mark.parametrize("shared", [False, True])
def test_value_is_that_of_plain_loops(case: Case, shared: bool) -> None:
    predictions, targets = draw(case, shared=shared)
    losses = case.loss().forward(predictions, targets)
    expected = [case.plain_mean(predictions, targets, run) for run in range(RUNS)]
    np.testing.assert_allclose(losses, expected, rtol=1e-13)


@each_case
def test_last_smaller_batch_is_its_own_mean(case: Case) -> None:
    predictions, targets = draw(case)
    loss = case.loss()
    loss.forward(predictions, targets)
    losses = loss.forward(predictions[:, :2], targets[:, :2])
    expected = [case.plain_mean(predictions[:, :2], targets[:, :2], run) for run in range(RUNS)]
    np.testing.assert_allclose(losses, expected, rtol=1e-13)
    assert loss.backward().shape == predictions[:, :2].shape


@each_case
@pytest.mark.parametrize("runs", [1, RUNS])
@pytest.mark.parametrize("shared", [False, True])
def test_gradient_is_that_of_central_differences(case: Case, runs: int, shared: bool) -> None:
    predictions, targets = draw(case, shared=shared)
    predictions, targets = predictions[:runs], targets[:runs]
    loss = case.loss(slice(runs))
    loss.forward(predictions, targets)
    gradient = loss.backward()
    step = 1e-5
    numeric = np.zeros_like(predictions)
    for place in np.ndindex(predictions.shape[1:]):  # all runs at once: a run's loss knows only its own predictions
        sides = []
        for sign in (1, -1):
            moved = predictions.copy()
            moved[(slice(None), *place)] += sign * step
            sides.append(loss.forward(moved, targets))
        numeric[(slice(None), *place)] = (sides[0] - sides[1]) / (2 * step)
    assert gradient.shape == predictions.shape
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8 * np.abs(numeric).max())


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_the_predictions(case: Case, dtype: Any) -> None:
    predictions, targets = draw(case, dtype=dtype)
    loss = case.loss()
    losses, gradient = loss.forward(predictions, targets), loss.backward()
    assert losses.dtype == gradient.dtype == dtype
    assert losses.shape == (RUNS,)


@each_case
def test_float32_is_close_to_float64(case: Case) -> None:
    predictions, targets = draw(case, dtype=np.float32)
    wide = targets if targets.dtype.kind == "i" else targets.astype(np.float64)
    narrow_loss, wide_loss = case.loss(), case.loss()
    np.testing.assert_allclose(
        narrow_loss.forward(predictions, targets), wide_loss.forward(predictions.astype(np.float64), wide), rtol=2e-6
    )
    exact = wide_loss.backward()
    np.testing.assert_allclose(narrow_loss.backward(), exact, rtol=2e-5, atol=1e-6 * np.abs(exact).max())


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shared", [False, True])
def test_same_bits_alone_and_in_any_row(case: Case, dtype: Any, shared: bool) -> None:
    predictions, targets = draw(case, shared=shared, dtype=dtype)
    loss = case.loss()
    losses, gradient = loss.forward(predictions, targets), loss.backward()
    for run in range(RUNS):
        own = slice(run, run + 1)
        alone = case.loss(own)
        assert alone.forward(predictions[own], targets if shared else targets[own]) == losses[run]
        assert (alone.backward()[0] == gradient[run]).all()


@each_case
def test_same_bits_in_reversed_order_and_with_broadcast_predictions(case: Case) -> None:
    predictions, targets = draw(case, shared=True, dtype=np.float32)
    one = predictions[:1]
    loss = case.cls()
    expected, gradient = loss.forward(one, targets), loss.backward()
    broadcast = np.broadcast_to(one, predictions.shape)
    assert (loss.forward(broadcast, targets) == expected[0]).all()
    assert (loss.backward() == gradient).all()
    loss = case.loss()
    forth = loss.forward(predictions, targets)
    reverse = case.loss(slice(None, None, -1))
    assert (reverse.forward(predictions[::-1], targets)[::-1] == forth).all()
    assert (reverse.backward()[::-1] == loss.backward()).all()


@each_case
def test_backward_may_follow_an_overwritten_prediction_array_and_leaves_its_inputs(case: Case) -> None:
    predictions, targets = draw(case)
    loss = case.loss()
    loss.forward(predictions, targets)
    expected = loss.backward()
    scratch, kept = predictions.copy(), targets.copy()
    loss.forward(scratch, targets)
    assert (scratch == predictions).all()
    scratch[...] = np.nan
    assert (loss.backward() == expected).all()
    assert (targets == kept).all()


@each_case
def test_one_run_that_went_nan_harms_no_other(case: Case) -> None:
    predictions, targets = draw(case)
    sound = case.loss()
    expected, gradient = sound.forward(predictions, targets), sound.backward()
    predictions[1] = np.nan
    loss = case.loss()
    losses, moved = loss.forward(predictions, targets), loss.backward()
    assert math.isnan(losses[1])
    assert (losses[[0, 2]] == expected[[0, 2]]).all()
    assert (moved[[0, 2]] == gradient[[0, 2]]).all()


# a single output of mse regresses on the label itself, whatever it is
LABEL_CASES = [case for case in CASES if case.targets == "labels" and not (case.cls is MSE and case.output == (1,))]


@pytest.mark.parametrize("case", LABEL_CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("place", [-1, 0, 3])
def test_labels_without_an_output_are_refused(case: Case, place: int) -> None:
    predictions, targets = draw(case)
    label = place if place < 0 else max(2, case.output[0]) + place
    targets[1, 3] = label
    with pytest.raises(InputError, match=str(label)):
        case.loss().forward(predictions, targets)


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), CategoricalCrossEntropy(), Hinge()])
def test_label_losses_refuse_values_and_images(loss: Any) -> None:
    with pytest.raises(InputError, match="mse"):
        loss.forward(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="classes"):
        loss.forward(np.zeros((1, 2, 3, 3)), np.zeros((1, 2), int))


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="outputs"):
        MSE().forward(np.zeros((1, 2, 3)), np.zeros((1, 2, 1)))
    with pytest.raises(InputError, match="outputs"):
        MSE().forward(np.zeros((1, 2, 3, 3, 1)), np.zeros((1, 2, 9)))


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), BinaryCrossEntropyLogits()])
@pytest.mark.parametrize("target", [-0.01, 1.01])
def test_binary_losses_refuse_targets_outside_the_unit_interval(loss: Any, target: float) -> None:
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        loss.forward(np.full((1, 2, 1), 0.5), np.array([[[0.5], [target]]]))


def test_targets_pass_as_they_are_and_take_the_predictions_dtype() -> None:
    predictions = np.zeros((2, 3, 4), np.float32)
    values = np.ones((1, 3, 4), np.float32)
    assert as_values(values, predictions) is values
    assert as_values(values.astype(np.float64), predictions).dtype == np.float32
    labels = np.array([[0, 3, 2]])
    assert as_labels(labels, predictions) is labels
    assert as_values(labels, predictions).tolist() == [[[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]]
    assert as_values(labels.astype(np.uint8), predictions[..., :1]).tolist() == [[[0], [3], [2]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_stay_exact(dtype: Any) -> None:
    z = np.array([[[1e4, 0.0, -1e4], [-3e4, 3e4, 3e4]]], dtype)
    loss = SoftmaxCrossEntropy()
    assert loss.forward(z, np.array([[0, 0]])) == pytest.approx([(0 + 6e4 + math.log(2)) / 2], rel=1e-6)
    np.testing.assert_allclose(loss.backward(), [[[0, 0, 0], [-0.5, 0.25, 0.25]]], atol=1e-7)
    binary = BinaryCrossEntropyLogits()
    z = np.array([[[1e4], [-1e4], [1e4], [-20.0]]], dtype)
    assert binary.forward(z, np.array([[1, 0, 0, 0]])) == pytest.approx([(1e4 + math.exp(-20)) / 4], rel=1e-6)
    np.testing.assert_allclose(binary.backward()[0, :, 0] * 4, [0, 0, 1, math.exp(-20)], rtol=1e-6)


def test_tiny_losses_keep_their_digits() -> None:
    z = np.array([[[30.0, 0.0]]])
    assert SoftmaxCrossEntropy().forward(z, np.array([[0]])) == pytest.approx([math.exp(-30)], rel=1e-2)
    assert BinaryCrossEntropyLogits().forward(z[..., :1], np.array([[1]])) == pytest.approx([math.exp(-30)], rel=1e-12)


def test_a_masked_class_costs_nothing_without_smoothing() -> None:
    z = np.array([[[0.0, 0.0, -np.inf]], [[0.0, 0.0, -np.inf]]])
    losses = SoftmaxCrossEntropy(label_smoothing=[0.0, 0.5]).forward(z, np.array([[0]]))
    assert losses.tolist() == [pytest.approx(math.log(2)), math.inf]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probability_of_zero_costs_a_finite_amount(dtype: Any) -> None:
    p = np.array([[[0.0, 1.0], [1.0, 0.0]]], dtype)
    loss = CategoricalCrossEntropy()
    value = loss.forward(p, np.array([[0, 0]]))[0]
    assert value == pytest.approx(-math.log(np.finfo(dtype).tiny) / 2, rel=1e-6)
    gradient = loss.backward()
    assert np.isfinite(gradient).all()
    assert gradient[0, 0, 0] < -1e30  # towards the label, however wrong
    assert gradient[0, 1].tolist() == [-0.5, 0]
    binary = BinaryCrossEntropy()
    assert binary.forward(p, np.array([[0, 0]])) == pytest.approx([50.0])
    np.testing.assert_allclose(binary.backward(), [[[-2.5e11, 2.5e11], [0, 0]]], rtol=1e-6)


def test_the_gradient_through_softmax_is_right_for_a_badly_wrong_prediction() -> None:
    z = np.array([[[-60.0, 0.0, 1.0]]], np.float32)
    label = np.array([[0]])
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    loss, fused = CategoricalCrossEntropy(), SoftmaxCrossEntropy()
    loss.forward(p, label)
    dp = loss.backward()
    through = p * (dp - (p * dp).sum(axis=2, keepdims=True))
    fused.forward(z, label)
    np.testing.assert_allclose(through, fused.backward(), rtol=1e-5)


def test_float32_means_lose_no_digits_over_many_terms() -> None:
    rng = np.random.default_rng(3)
    predictions = rng.random((2, 1000, 200), dtype=np.float32) + 10
    exact = np.square(predictions.astype(np.float64)).mean(axis=(1, 2))
    np.testing.assert_allclose(MSE().forward(predictions, np.zeros((1, 1000, 200), np.float32)), exact, rtol=1e-6)


def test_losses_say_what_they_expect() -> None:
    expected = {MSE: "values", SoftmaxCrossEntropy: "logits", Hinge: "logits", CategoricalCrossEntropy: "probabilities"}
    assert {cls: cls.expects for cls in expected} == expected
    assert (BinaryCrossEntropy.expects, BinaryCrossEntropyLogits.expects) == ("probabilities", "logits")


def test_columns_of_one_value_serve_any_number_of_runs() -> None:
    case = next(case for case in CASES if case.name == "huber_values")
    predictions, targets = draw(case)
    one, three = case.cls(delta=0.7), case.cls(delta=[0.7] * RUNS)
    assert (one.forward(predictions, targets) == three.forward(predictions, targets)).all()
    assert (one.backward() == three.backward()).all()
    assert one.backward().shape == (RUNS, BATCH, *case.output)
