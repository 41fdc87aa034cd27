"""Losses against torch, live where torch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from extras import extra
from losses_cases import CASES, RUNS, Case

from plugins.losses.hinge import Hinge

torch: Any = extra("torch")
F = torch.nn.functional

COUNTERPARTS = {
    "MSE": lambda p, t, _: F.mse_loss(p, t),
    "MAE": lambda p, t, _: F.l1_loss(p, t),
    "Huber": lambda p, t, delta: F.huber_loss(p, t, delta=delta),
    "SoftmaxCrossEntropy": lambda p, t, smoothing: F.cross_entropy(p, t, label_smoothing=smoothing),
    "CategoricalCrossEntropy": lambda p, t, _: F.nll_loss(p.log(), t),
    "BinaryCrossEntropyLogits": lambda p, t, _: F.binary_cross_entropy_with_logits(p, t),
    "BinaryCrossEntropy": lambda p, t, _: F.binary_cross_entropy(p, t),
    "Hinge": lambda p, t, margin: F.multi_margin_loss(p, t, margin=margin),
}
COMPARED = [case for case in CASES if not (case.cls is Hinge and case.output == (1,))]
LABELLED = ("SoftmaxCrossEntropy", "CategoricalCrossEntropy", "Hinge")


def torch_targets(case: Case, targets: np.ndarray, predictions: Any) -> Any:
    given = torch.tensor(targets)
    if case.targets != "labels" or case.cls.__name__ in LABELLED:
        return given
    if case.output == (1,):
        return given[:, None].to(predictions.dtype)
    return F.one_hot(given, case.output[0]).to(predictions.dtype)


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.name)
@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 1e-13), (np.float32, 3e-6)])
def test_value_and_gradient_are_torchs(case: Case, dtype: Any, digits: float) -> None:
    rng = np.random.default_rng(11)
    predictions, targets = case.predictions(rng, dtype), case.draw_targets(rng, RUNS, dtype)
    loss = case.loss()
    losses, gradient = loss.forward(predictions, targets), loss.backward()
    columns = next(iter(case.column.values()), [0.0] * RUNS)
    for run in range(RUNS):
        p = torch.tensor(predictions[run], requires_grad=True)
        value = COUNTERPARTS[case.cls.__name__](p, torch_targets(case, targets[run], p), columns[run])
        value.backward()
        theirs = p.grad.numpy()
        assert losses[run] == pytest.approx(value.item(), rel=digits)
        assert np.abs(gradient[run] - theirs).max() <= digits * np.abs(theirs).max()


@pytest.mark.parametrize("p", [0.0, 1e-20, 1e-7, 0.5, 1.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_has_torchs_bounds(p: float, target: float) -> None:
    ours = next(case for case in CASES if case.name == "binary_one_output").cls()
    value = ours.forward(np.full((1, 1, 1), p), np.full((1, 1, 1), target))[0]
    theirs = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    expected = F.binary_cross_entropy(theirs, torch.tensor([target], dtype=torch.float64))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12, abs=1e-300)
    assert ours.backward().item() == pytest.approx(theirs.grad.item(), rel=1e-8)  # torch's 1e-12 is a float32
