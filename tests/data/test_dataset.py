"""Splitting, scaling and caching: what `Dataset` does for every data set."""

from __future__ import annotations

import numpy as np
import pytest

from framework.base.fields import integer
from framework.data.prepare import Dataset, Raw, Samples, prepared
from framework.data.scaling import Scaling
from framework.data.splits import stratified
from framework.errors import InputError

GENERATOR = np.random.default_rng(20)
LABELS = GENERATOR.permutation(np.repeat([0, 1, 2], [301, 47, 152]))
INPUTS = GENERATOR.normal([3, -50, 0.02], [2, 10, 0.001], (500, 3))


def dataset(raw: Raw, task: str = "classification") -> type[Dataset]:
    class Given(Dataset):
        def load(self) -> Raw:
            return raw

    Given.task = task
    return Given


Classes = dataset(Raw(Samples(INPUTS, LABELS)))
Values = dataset(Raw(Samples(INPUTS, INPUTS @ [[1.0], [2.0], [3.0]] + 7)), "regression")
Numbered = dataset(Raw(Samples(np.arange(500.0)[:, None], LABELS)))


def places(data, part):
    return getattr(data, part).inputs[:, 0].astype(int)


def test_splits_are_disjoint_cover_all_and_keep_the_order():
    data = Numbered(scaling="none").prepare(np.float64)
    parts = [places(data, part) for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [360, 40, 100]
    assert sorted(np.concatenate(parts)) == list(range(500))
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        np.testing.assert_array_equal(part, np.sort(part))
        np.testing.assert_array_equal(getattr(data, name).targets, LABELS[part])


@pytest.mark.parametrize("fields", [{}, {"test": 33, "validation": 77}, {"train_limit": 50}, {"split_seed": 9}])
def test_each_split_has_the_classes_shares_to_within_a_sample(fields):
    data = Classes(**fields).prepare(np.float64)
    pools = {
        "test": LABELS,
        "validation": np.concatenate([data.train.targets, data.validation.targets]),
        "train": np.concatenate([data.train.targets, data.validation.targets]),
    }
    for part, pool in pools.items():
        if part != "test" and "train_limit" in fields:
            pool = LABELS
        found = np.bincount(getattr(data, part).targets, minlength=3)
        exact = np.bincount(pool, minlength=3) * found.sum() / len(pool)
        assert abs(found - exact).max() < 1, part


@pytest.mark.parametrize("wanted", range(1, 12))
def test_stratified_takes_exactly_what_is_wanted(wanted):
    labels = np.array([0] * 5 + [1] * 4 + [3] * 3)
    chosen = stratified(labels, np.random.default_rng(wanted).permutation(12), wanted)
    assert len(set(chosen.tolist())) == wanted
    assert abs(np.bincount(labels[chosen], minlength=4) - np.array([5, 4, 0, 3]) * wanted / 12).max() < 1


def test_the_split_depends_on_split_seed_alone():
    first = Numbered(scaling="none").prepare(np.float64)
    same = Numbered(scaling="none", reconstruct=True).prepare(np.float32)
    other = Numbered(scaling="none", split_seed=1).prepare(np.float64)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(places(first, part), places(same, part))
        assert not np.array_equal(places(first, part), places(other, part))


def test_the_test_split_does_not_depend_on_the_other_splits():
    plain = Numbered(scaling="none").prepare(np.float64)
    changed = Numbered(scaling="none", validation=30, train_limit=20).prepare(np.float64)
    np.testing.assert_array_equal(places(plain, "test"), places(changed, "test"))
    assert set(places(changed, "train")) <= set(range(500)) - set(places(changed, "validation"))


@pytest.mark.parametrize("limit", [1, 100, 359, 360, 10_000])
def test_train_limit_keeps_at_most_so_many_training_samples(limit):
    data = Classes(train_limit=limit).prepare(np.float64)
    assert [len(data.train), len(data.validation), len(data.test)] == [min(limit, 360), 40, 100]


def test_shares_and_counts_say_the_same():
    shares = Numbered(test=0.2, validation=0.1).prepare(np.float64)
    counts = Numbered(test=100, validation=40).prepare(np.float64)
    assert shares.digest == counts.digest
    np.testing.assert_array_equal(shares.train.inputs, counts.train.inputs)


def test_the_official_test_set_is_kept_and_its_labels_count():
    official = Samples(np.full((7, 3), 5.0), np.array([0, 1, 2, 3, 3, 2, 1]))
    data = dataset(Raw(Samples(INPUTS, LABELS), official))(scaling="none", test=0.4).prepare(np.float64)
    np.testing.assert_array_equal(data.test.inputs, official.inputs)
    np.testing.assert_array_equal(data.test.targets, official.targets)
    assert len(data.train) + len(data.validation) == 500
    assert data.classes == 4


def test_classes_without_samples_count_when_they_have_a_name():
    named = dataset(Raw(Samples(INPUTS, LABELS), class_names=("a", "b", "c", "d")))().prepare(np.float64)
    assert named.target_shape == (4,)
    assert Classes().prepare(np.float64).target_shape == (3,)


def test_scaling_is_fitted_on_the_training_split():
    data = Classes().prepare(np.float64)
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.train.inputs.std(axis=0), 1, atol=1e-12)
    assert abs(data.test.inputs.mean(axis=0)).max() > 1e-3
    for part in (data.train, data.validation, data.test):
        raw = data.input_scaling.invert(part.inputs)
        assert {tuple(row) for row in raw.round(6)} <= {tuple(row) for row in INPUTS.round(6)}


@pytest.mark.parametrize("held_out", ["test", "validation"])
def test_statistics_do_not_see_held_out_samples(held_out):
    clean = Numbered(scaling="none").prepare(np.float64)
    altered = INPUTS.copy()
    altered[places(clean, held_out)] += 1e6
    before = Classes().prepare(np.float64)
    after = dataset(Raw(Samples(altered, LABELS)))().prepare(np.float64)
    np.testing.assert_array_equal(before.input_scaling.mean, after.input_scaling.mean)
    np.testing.assert_array_equal(before.input_scaling.scale, after.input_scaling.scale)
    np.testing.assert_array_equal(before.train.inputs, after.train.inputs)


def test_values_are_scaled_and_come_back():
    data = Values().prepare(np.float64)
    assert (data.task, data.classes, data.target_shape) == ("regression", None, (1,))
    assert abs(data.train.targets.mean()) < 1e-12
    assert data.train.targets.std() == pytest.approx(1, abs=1e-12)
    back = data.target_scaling.invert(data.train.targets)
    expected = data.input_scaling.invert(data.train.inputs) @ [[1.0], [2.0], [3.0]] + 7
    np.testing.assert_allclose(back, expected, rtol=1e-12)
    unscaled = Values(scaling="none").prepare(np.float64)
    np.testing.assert_allclose(unscaled.train.targets, expected, rtol=1e-12)


def test_reconstruction_predicts_the_inputs_and_still_stratifies():
    plain = Classes().prepare(np.float32)
    data = Classes(reconstruct=True).prepare(np.float32)
    assert (data.task, data.classes, data.target_shape) == ("reconstruction", None, (3,))
    assert data.target_scaling is data.input_scaling
    for part in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(part.inputs, part.targets)
    np.testing.assert_array_equal(plain.train.inputs, data.train.inputs)


def test_the_data_may_tell_the_task():
    told = dataset(Raw(Samples(INPUTS, INPUTS[:, :2]), task="regression"))().prepare(np.float64)
    assert (told.task, told.target_shape) == ("regression", (2,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_as_asked_and_bytes_are_scaled_to_full_scale(dtype):
    pixels = np.random.default_rng(1).integers(0, 256, (100, 4, 4, 1), dtype=np.uint8)
    raw = Raw(Samples(pixels, np.arange(100) % 2), full_scale=255)
    data = dataset(raw)(scaling="none").prepare(dtype)
    assert data.train.inputs.dtype == dtype
    assert data.train.targets.dtype == np.intp
    everything = np.concatenate([data.train.inputs, data.validation.inputs, data.test.inputs])
    expected = (pixels / 255).astype(dtype)
    assert {row.tobytes() for row in everything} == {row.tobytes() for row in expected}
    np.testing.assert_array_equal(data.input_scaling.apply(pixels, dtype), expected)
    standardized = dataset(raw)().prepare(dtype)
    np.testing.assert_allclose(standardized.train.inputs.std(axis=0), 1, rtol=1e-5)


def test_scaling_agrees_with_the_plain_formula():
    pixels = np.random.default_rng(2).integers(0, 256, (3000, 5), dtype=np.uint8)
    for x in (INPUTS, INPUTS.astype(np.float32), pixels):
        scaling = Scaling.fit(x)
        plain = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)
        np.testing.assert_allclose(scaling.apply(x, np.float64), plain, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(scaling.apply(x, np.float32), plain, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scaling.invert(plain), x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("constant", [0.1, 123456.789, 0.0, -7e-9])
def test_constant_features_become_zero_and_come_back(constant):
    scaling = Scaling.fit(np.full((999, 1), constant))
    np.testing.assert_array_equal(scaling.apply(np.full((3, 1), constant), np.float64), 0)
    np.testing.assert_array_equal(scaling.invert(np.zeros((3, 1))), constant)
    np.testing.assert_array_equal(scaling.scale, 1)


def test_identity_changes_no_bit_and_shares_no_memory():
    x = INPUTS.astype(np.float32)
    out = Scaling.identity().apply(x, np.float32)
    np.testing.assert_array_equal(out, x)
    assert not np.shares_memory(out, x)


@pytest.mark.parametrize(
    ("fields", "split", "remedy"),
    [
        ({}, "validation", "raise dataset.validation"),
        ({"test": 4, "validation": 0.5}, "test", "raise dataset.test"),
        ({"train_limit": 6}, "train", "raise dataset.train_limit"),
    ],
    ids=["validation", "test", "train"],
)
def test_a_class_that_a_split_lacks_is_told(fields, split, remedy):
    labels = np.repeat([0, 1, 2], [247, 249, 4])
    raw = Raw(Samples(INPUTS, labels), class_names=("a", "b", "rare"))
    data = dataset(raw)(**fields).prepare(np.float64)
    lacking = [part for part in ("train", "validation", "test") if 2 not in getattr(data, part).targets]
    assert split in lacking
    assert len(data.cautions) == len(lacking)
    (line,) = [line for line in data.cautions if f"the {split} split" in line]
    assert "has no sample of class rare" in line
    assert remedy in line


def test_no_class_is_lacking_where_none_can_be():
    assert Classes().prepare(np.float64).cautions == ()
    assert Values().prepare(np.float64).cautions == ()
    named = Raw(Samples(INPUTS, LABELS), class_names=("a", "b", "c", "never seen"))
    assert dataset(named)().prepare(np.float64).cautions == ()
    rare = Raw(Samples(INPUTS, np.where(np.arange(500) == 9, 1, 0)))
    assert dataset(rare)(reconstruct=True).prepare(np.float64).cautions == ()


def test_the_digest_tells_data_and_splits_apart():
    first = Classes().prepare(np.float64).digest
    assert first == Classes(scaling="none").prepare(np.float32).digest
    changed = INPUTS.copy()
    changed[123, 1] += 1e-9
    assert first != dataset(Raw(Samples(changed, LABELS)))().prepare(np.float64).digest
    relabelled = np.where(np.arange(500) == 77, (LABELS + 1) % 3, LABELS)
    assert first != dataset(Raw(Samples(INPUTS, relabelled)))().prepare(np.float64).digest
    assert first != Classes(split_seed=1).prepare(np.float64).digest
    assert first != dataset(Raw(Samples(INPUTS[..., None], LABELS)))().prepare(np.float64).digest


class Counted(Dataset):
    """Counts its loads; its stamp can be changed."""

    size: int = integer(50)
    loads = 0
    state = 0

    def load(self) -> Raw:
        type(self).loads += 1
        return Raw(Samples(np.arange(float(self.size))[:, None], np.arange(self.size) % 2))

    def stamp(self) -> int:
        return self.state


def test_prepared_loads_once_until_a_field_the_dtype_or_a_file_changes(monkeypatch):
    monkeypatch.setattr(Counted, "loads", 0)
    first = prepared(Counted(), np.float32)
    assert prepared(Counted(size=50), "float32") is first
    assert Counted.loads == 1
    assert len(prepared(Counted(size=40), np.float32).train) < len(first.train)
    assert prepared(Counted(), np.float64).train.inputs.dtype == np.float64
    monkeypatch.setattr(Counted, "state", 1)
    assert prepared(Counted(), np.float32) is not first
    assert Counted.loads == 4


def test_populations_of_all_sizes_share_one_copy(monkeypatch):
    monkeypatch.setattr(Counted, "loads", 0)
    one, *others = (prepared(Counted.stack([{"size": 60}] * runs), np.float32) for runs in (1, 2, 8))
    assert all(other is one for other in others)
    assert Counted.loads == 1


class Endless(Dataset):
    def load(self) -> Raw:
        return Raw(Samples(np.zeros((10**15, 3)), LABELS))


def test_samples_that_memory_cannot_hold_are_refused():
    with pytest.raises(InputError, match=r"Endless: the samples do not fit into memory .*: use fewer"):
        prepared(Endless(), np.float32)


def test_prepared_keeps_few(monkeypatch):
    monkeypatch.setattr(Counted, "loads", 0)
    for size in range(100, 110):
        prepared(Counted(size=size), np.float32)
    prepared(Counted(size=100), np.float32)
    assert Counted.loads == 11


def test_prepared_arrays_are_read_only():
    for data in (prepared(Counted(), np.float32), prepared(Counted(reconstruct=True), np.float32)):
        for part in (data.train, data.validation, data.test):
            for array in (part.inputs, part.targets):
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validation": 400}, r"dataset\.validation=400 takes 400 of 400 samples"),
        ({"test": 500}, r"dataset\.test=500 takes 500 of 500 samples"),
        ({"validation": 0.001}, r"dataset\.validation=0\.001 takes 0 of 400 samples"),
        ({"validation": 1.5}, r"validation=1\.5 must be a share below 1 or a whole number"),
        ({"test": 0}, r"test=0 is out of range"),
        ({"scaling": "standardise"}, r"scaling=standardise is not known; did you mean standardize\?"),
    ],
)
def test_impossible_splits_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Classes(**fields).prepare(np.float64)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (Raw(Samples(INPUTS, LABELS[:-1])), "500 inputs with 499 targets"),
        (Raw(Samples(INPUTS, LABELS), Samples(INPUTS[:5, :2], LABELS[:5])), r"shape \(2,\), the other inputs \(3,\)"),
        (Raw(Samples(INPUTS, LABELS), Samples(INPUTS[:5], LABELS[:4])), "5 inputs with 4 targets"),
        (Raw(Samples(np.where(INPUTS > 5, np.nan, INPUTS), LABELS)), "must be finite real numbers"),
        (Raw(Samples(INPUTS.astype(object), LABELS)), "must be finite real numbers"),
        (Raw(Samples(INPUTS, LABELS * 1.0)), "class labels must be whole numbers from 0"),
        (Raw(Samples(INPUTS, LABELS - 1)), "class labels must be whole numbers from 0"),
        (Raw(Samples(INPUTS, LABELS[:, None])), "class labels must be whole numbers from 0"),
        (Raw(Samples(INPUTS[:, :0], LABELS)), r"inputs have no features \(shape \(500, 0\)\)"),
        (Raw(Samples(INPUTS, INPUTS[:, :0]), task="regression"), r"targets have no values \(shape \(500, 0\)\)"),
    ],
)
def test_what_is_no_data_set_is_refused(raw, message):
    with pytest.raises(InputError, match=message):
        dataset(raw)().prepare(np.float64)
