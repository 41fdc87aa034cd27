"""Paths of two-dimensional problems: the same bits as the run, and the loss around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from runs import DENSE, changed, config, trained

from framework.config.resolved import RunConfig
from framework.training.plane import SIDE, contour, is_plane, known_minima, losses_at, point_paths
from framework.training.trace import trace


def plane(loss: str = "beale", start: Any = (-1.0, 1.5), **changes: Any) -> RunConfig:
    base: dict[str, Any] = {
        "dataset": {"name": "gradient_noise", "samples": 40, "std": 1.0},
        "model": {"name": "point", "layers": [{"layer": "point", "units": "outputs", "start": list(start)}]},
        "loss": {"name": loss},
        "optimizer": {"name": "adam", "lr": 0.05},
        "metrics": [],
        "batch_size": 10,
        "epochs": None,
        "steps": 30,
    }
    return config(**{**base, **changes})


RUNS = {
    "noise": {},
    "float64": {"dtype": "float64"},
    "average": {"stages": {"ema": {}}},
    "schedule_free": {"optimizer": {"name": "schedule_free_sgd", "lr": 0.01}},
    "lbfgs": {"optimizer": {"name": "lbfgs"}, "steps": 4},
    "within_an_epoch": {"steps": 7},
}


@pytest.mark.parametrize("name", RUNS)
def test_the_end_of_a_path_is_the_saved_model(name):
    chosen = plane(**RUNS[name])
    (path,) = point_paths([chosen])
    (outcome,) = trained(chosen)
    saved = outcome.predictor.parameters["1_point/point"]
    assert path.points.shape == (outcome.steps + 1, 2)
    assert path.points.dtype == saved.dtype
    assert path.points[0].tolist() == [-1.0, 1.5]
    assert np.array_equal(path.points[-1], saved)
    assert path.losses.shape == (outcome.steps + 1,)
    assert path.losses[-1] == pytest.approx(outcome.metrics["test/loss"], rel=1e-5)


def test_each_point_is_the_one_of_plain_gradient_descent():
    chosen = plane("ravine", dtype="float64", dataset__std=0.0, optimizer={"name": "sgd", "lr": 0.3})
    (path,) = point_paths([chosen])
    curvatures = np.array([[0.505, -0.495], [-0.495, 0.505]])  # of ((u - v)^2 / 2 + (u + v)^2 / 200) / 2
    points = trace("sgd", lambda x: curvatures @ x, [-1.0, 1.5], 30, lr=0.3)
    np.testing.assert_allclose(path.points, points, rtol=1e-9, atol=1e-12)
    values = [x @ curvatures @ x / 2 for x in points]
    np.testing.assert_allclose(path.losses, values, rtol=1e-9, atol=1e-12)


def test_a_path_that_diverges_ends_at_the_divergence():
    stable, wild = plane("rosenbrock"), plane("rosenbrock", optimizer={"name": "sgd", "lr": 10.0})
    paths = point_paths([stable, wild])
    (outcome,) = trained(wild)
    assert outcome.diverged
    assert len(paths[1].points) == outcome.steps + 1 < 31
    assert not np.isfinite(paths[1].losses[-1])
    for chosen in (paths, paths[1:]):
        xs, ys, values = contour(stable, chosen)
        assert np.isfinite(values).all()
        assert max(np.abs(xs).max(), np.abs(ys).max()) < 10


def test_the_grid_holds_paths_minima_and_the_function():
    chosen = plane("himmelblau", start=(0.0, 0.0))
    paths = point_paths([chosen, changed(chosen, seed=1)])
    xs, ys, values = contour(chosen, paths)
    assert (xs.shape, ys.shape, values.shape) == ((SIDE,), (SIDE,), (SIDE, SIDE))
    for points in (known_minima(chosen), *(path.points for path in paths)):
        assert (points.min(axis=0) > [xs[0], ys[0]]).all()
        assert (points.max(axis=0) < [xs[-1], ys[-1]]).all()
    for i, j in ((0, 0), (3, 70), (80, 12)):
        u, v = xs[j], ys[i]
        assert values[i, j] == pytest.approx((u**2 + v - 11) ** 2 + (u + v**2 - 7) ** 2, rel=1e-12)
    assert len(known_minima(chosen)) == 4
    np.testing.assert_allclose(losses_at(chosen, known_minima(chosen)), 0, atol=1e-9)


def test_a_path_that_stays_where_it_starts_has_a_grid():
    chosen = plane("quadratic", start=(0.0, 0.0), dataset__std=0.0)
    (path,) = point_paths([chosen])
    xs, ys, values = contour(chosen, [path])
    assert xs[-1] - xs[0] == ys[-1] - ys[0] > 0
    assert values[SIDE // 2, SIDE // 2] == values.min() == 0


def test_minima_are_known_only_for_targets_of_zero():
    assert known_minima(plane("saddle", start=(1.0, 1.0))).shape[1] == 2
    assert known_minima(plane("rosenbrock")).tolist() == [[1.0, 1.0]]
    shifted = plane("mse", dataset={"name": "moons"})  # two classes, one-hot
    assert is_plane(shifted)
    assert known_minima(shifted).shape == (0, 2)


def layers(*listed: Any) -> dict[str, Any]:
    return {"model": {"name": "m", "layers": list(listed)}}


POINT = {"layer": "point", "units": "outputs", "start": [1.0]}
OTHERS = {
    "three": {"dataset__dimensions": 3, "loss": "rosenbrock", **layers(POINT)},
    "one": {"dataset__dimensions": 1, "loss": "quadratic", "start": (1.0,), **layers(POINT)},
    "bounded": layers(POINT, "tanh"),
    "linear": {"loss": "mse", **layers({"layer": "dense", "units": 2, "bias": False})},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_are_no_plane(name):
    assert is_plane(plane())
    assert not is_plane(plane(**OTHERS[name]))
    assert not is_plane(config(model__layers=DENSE))
