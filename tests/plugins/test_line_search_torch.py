"""The line search beside torch's, on answers that lead it through all its turns; and where torch has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from extras import extra

from plugins.optimizers._shared.line_search import Trial, cubic_minimum, dot, strong_wolfe


def script(seed):
    """Return losses and slopes to be answered in turn, whatever the trials: falling at first, then anything."""
    rng = np.random.default_rng(seed)
    falls = rng.integers(0, 4)
    losses = np.concatenate([-np.cumsum(rng.uniform(0, 9, falls)), rng.normal(-3, 3, 30)])
    slopes = np.concatenate([rng.uniform(-3, -0.95, falls), rng.normal(0, 2, 30)])
    return losses, slopes, 10 ** rng.uniform(-2, 1.5)


def search(value, slope, x, t, most):
    """Return where our search along the slope ends, the loss there, and the points it asked for."""
    g = slope(x)
    d = -g
    asking = strong_wolfe(x, d, Trial(np.float64(0), np.float64(value(x)), g, dot(g, d)), np.float64(t), most)
    answer, asked = None, []
    try:
        while True:
            with np.errstate(invalid="ignore"):  # losses without end are part of it
                asked.append(asking.send(answer))
            answer = (value(asked[-1]), slope(asked[-1]))
    except StopIteration as ended:
        chosen, counted = ended.value
    assert counted == len(asked)
    return float(chosen.t), float(chosen.loss), np.array(asked)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 25])
def test_agrees_with_torch_on_whatever_it_is_answered(most):
    torch = extra("torch")
    from torch.optim.lbfgs import _strong_wolfe

    lengths = set()
    for seed in range(400):
        losses, slopes, first = script(seed)
        answers, asked = iter(zip(losses, slopes, strict=True)), []

        def along(x, t, d, answers=answers, asked=asked):
            asked.append(float(t))
            loss, slope = next(answers)
            return loss, torch.tensor([slope])

        one, start = torch.ones(1, dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)
        loss, _, t, _ = _strong_wolfe(along, None, first, one, 0.0, start, start[0], max_ls=most)
        values, grads = iter([0.0, *losses]), iter([-1.0, *slopes])
        ours = search(lambda x, v=values: next(v), lambda x, g=grads: np.array([next(g)]), np.zeros(1), first, most)
        assert ours[2][:, 0] == pytest.approx(asked, rel=1e-12), seed
        assert ours[:2] == pytest.approx((float(t), loss), rel=1e-12), seed
        lengths.add(len(asked))
    assert len(lengths) == most + 1 if most < 5 else len(lengths) > 5


@pytest.mark.parametrize("beyond", [np.nan, np.inf])
def test_a_trial_without_a_loss_is_never_chosen(beyond):
    t, loss, _ = search(
        lambda x: beyond if x[0] > 1 else (x[0] - 0.5) ** 2,
        lambda x: np.array([np.nan if x[0] > 1 else 2 * (x[0] - 0.5)]),
        np.array([-3.0]),
        50.0,
        25,
    )
    assert 0 < t < 4 / 7
    assert loss < 3.5**2
    assert search(lambda x: beyond if x[0] > -3 else 1.0, lambda x: -np.ones(1), np.array([-3.0]), 1.0, 5)[0] == 0


def test_the_cubic_meets_its_formula_and_halves_where_it_has_none():
    # x^3 - 3 x falls to its minimum at 1
    ends = [Trial(np.float64(x), np.float64(x**3 - 3 * x), np.zeros(1), np.float64(3 * x**2 - 3)) for x in (0.5, 3.0)]
    assert cubic_minimum(*ends, 0.5, 3.0) == pytest.approx(1, rel=1e-12)
    assert cubic_minimum(*reversed(ends), 0.5, 3.0) == pytest.approx(1, rel=1e-12)
    assert cubic_minimum(*ends, 1.5, 3.0) == 1.5
    nowhere = Trial(np.float64(3), np.float64(np.inf), np.zeros(1), np.float64(1))
    with np.errstate(invalid="ignore"):
        assert cubic_minimum(ends[0], nowhere, 0.5, 3.0) == 1.75
