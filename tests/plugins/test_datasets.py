"""Built-in data sets, against scikit-learn's loaders and against formulas."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from extras import extra

from framework.data.prepare import prepared
from framework.errors import InputError
from plugins.datasets import _embedded
from plugins.datasets.blobs import Blobs
from plugins.datasets.breast_cancer import BreastCancer
from plugins.datasets.diabetes import Diabetes
from plugins.datasets.digits import Digits
from plugins.datasets.iris import Iris
from plugins.datasets.linear_regression import LinearRegression
from plugins.datasets.mnist1d import Mnist1d
from plugins.datasets.moons import Moons
from plugins.datasets.spirals import Spirals
from plugins.datasets.wine import Wine


@pytest.mark.parametrize(("ours", "theirs"), [(Iris, "iris"), (Wine, "wine"), (BreastCancer, "breast_cancer")])
def test_labelled_tables_are_those_of_scikit_learn(ours, theirs):
    import sklearn.datasets

    expected = getattr(sklearn.datasets, f"load_{theirs}")()
    raw = ours().load()
    np.testing.assert_array_equal(raw.samples.inputs, expected.data)
    np.testing.assert_array_equal(raw.samples.targets, expected.target)
    assert raw.class_names == tuple(expected.target_names)


def test_digits_are_those_of_scikit_learn_seen_from_0_to_1():
    from sklearn.datasets import load_digits

    expected = load_digits()
    raw = Digits().load()
    np.testing.assert_array_equal(raw.samples.inputs[..., 0], expected.images)
    np.testing.assert_array_equal(raw.samples.targets, expected.target)
    data = Digits().prepare(np.float32)
    assert data.input_shape == (8, 8, 1)
    assert data.target_shape == (10,)
    assert (data.train.inputs.min(), data.train.inputs.max()) == (0, 1)
    np.testing.assert_array_equal(data.input_scaling.apply(expected.images, np.float64), expected.images / 16)


def test_diabetes_is_that_of_scikit_learn():
    from sklearn.datasets import load_diabetes

    expected = load_diabetes(scaled=False)
    raw = Diabetes().load()
    np.testing.assert_array_equal(raw.samples.inputs, expected.data)
    np.testing.assert_array_equal(raw.samples.targets, expected.target[:, None])
    data = Diabetes().prepare(np.float64)
    assert (data.task, data.classes, data.target_shape) == ("regression", None, (1,))


def test_embedded_data_sets_do_without_importing_scikit_learn():
    code = (
        "import sys\n"
        "from plugins.datasets import digits, diabetes, iris\n"
        "digits.Digits().prepare('float32'), diabetes.Diabetes().prepare('float32'), iris.Iris().prepare('float32')\n"
        "sys.exit('sklearn' in sys.modules or 'pandas' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_scikit_learn_without_the_file_is_named():
    with pytest.raises(InputError, match=r"no_such\.csv is missing: reinstall scikit-learn"):
        _embedded.path_of("no_such.csv")


def test_a_missing_scikit_learn_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install scikit-learn"):
        Digits().load()


SYNTHETIC = [Blobs, Moons, Spirals, LinearRegression]


@pytest.mark.parametrize("made", SYNTHETIC)
def test_synthetic_samples_depend_on_data_seed_alone(made):
    first = made(samples=60, split_seed=0).load().samples
    again = made(samples=60, split_seed=7).load().samples
    other = made(samples=60, data_seed=1).load().samples
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert (first.inputs != other.inputs).any()


@pytest.mark.parametrize("made", SYNTHETIC)
def test_synthetic_sample_counts_are_exact(made):
    assert len(made(samples=61).load().samples) == 61


def test_blobs_without_noise_are_their_centres():
    raw = Blobs(samples=40, classes=4, features=3, noise=0).load()
    assert len(np.unique(raw.samples.inputs, axis=0)) == 4
    assert list(np.bincount(raw.samples.targets)) == [10] * 4


def test_noise_is_the_standard_deviation_of_a_blob():
    still, noisy = (Blobs(samples=20_000, noise=noise).load().samples.inputs for noise in (0, 0.5))
    assert (noisy - still).std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("samples", [100, 101])
def test_moons_without_noise_are_those_of_scikit_learn(samples):
    from sklearn.datasets import make_moons

    inputs, targets = make_moons(samples, shuffle=False, noise=None)
    raw = Moons(samples=samples, noise=0).load()
    np.testing.assert_allclose(raw.samples.inputs, inputs, atol=1e-15)
    np.testing.assert_array_equal(raw.samples.targets, targets)


@pytest.mark.parametrize("classes", [2, 3])
def test_spiral_arms_are_each_other_turned(classes):
    raw = Spirals(samples=30 * classes, classes=classes, noise=0).load()
    points = raw.samples.inputs[:, 0] + 1j * raw.samples.inputs[:, 1]
    arms = [points[raw.samples.targets == label] for label in range(classes)]
    for label, arm in enumerate(arms):
        np.testing.assert_allclose(arm, arms[0] * np.exp(2j * np.pi * label / classes), atol=1e-14)
    assert abs(arms[0][-1]) == pytest.approx(1)
    assert (np.diff(abs(arms[0])) > 0).all()
    assert np.unwrap(np.angle(arms[0]))[-1] - np.angle(arms[0])[0] == pytest.approx(2 * np.pi * 1.5 * 29 / 30)


def test_linear_regression_is_linear_up_to_its_noise():
    def residuals(noise):
        samples = LinearRegression(samples=5000, features=4, noise=noise).load().samples
        design = np.column_stack([samples.inputs, np.ones(5000)])
        solution = np.linalg.lstsq(design, samples.targets, rcond=None)[0]
        return samples.targets - design @ solution

    assert abs(residuals(0)).max() < 1e-12
    assert residuals(0.3).std() == pytest.approx(0.3, rel=0.05)


def test_mnist1d_keeps_its_official_test_and_leaves_global_random_state_alone():
    extra("mnist1d")
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    expected = np.random.random(), random.random()  # noqa: NPY002, S311
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    data = prepared(Mnist1d(), np.float32)
    assert (np.random.random(), random.random()) == expected  # noqa: NPY002, S311
    assert len(data.train) + len(data.validation) == 4000
    assert len(data.test) == 1000
    assert (data.input_shape, data.target_shape) == ((40,), (10,))
    assert abs(np.concatenate([data.train.inputs, data.validation.inputs, data.test.inputs]).std() - 1) < 1e-4


def test_mnist1d_is_the_package_s_own_generator():
    source = extra("mnist1d.data")
    expected = source.make_dataset()
    raw = Mnist1d().load()
    np.testing.assert_array_equal(raw.samples.inputs, expected["x"])
    np.testing.assert_array_equal(raw.official_test.targets, expected["y_test"])


def test_without_the_mnist1d_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    monkeypatch.setitem(sys.modules, "mnist1d", None)
    with pytest.raises(InputError, match=r"pip install 'optimizer-workbench\[mnist1d\]'"):
        Mnist1d().load()
