"""MNIST and Fashion-MNIST: IDX files written here, the real ones where a folder has them, and the download."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from framework.data.prepare import prepared
from framework.data.splits import Layout
from framework.errors import InputError
from plugins.datasets import _mnist_files
from plugins.datasets._idx import read_idx, write_idx
from plugins.datasets.fashion_mnist import FashionMnist
from plugins.datasets.mnist import Mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    """No test sees this machine's data or cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FRAMEWORK_DATA", raising=False)


def packed(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def arrays(seed: int = 0, train: int = 60, test: int = 20) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        part
        for count in (train, test)
        for part in (generator.integers(0, 256, (count, 28, 28)), generator.permutation(np.arange(count) % 10))
    ]


def write(folder: Path, parts: list[np.ndarray], ending: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(NAMES, parts, strict=True):
        content = packed(part)
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending == ".gz" else content)
    return folder


def check(raw, parts):
    np.testing.assert_array_equal(raw.samples.inputs[..., 0], parts[0])
    np.testing.assert_array_equal(raw.samples.targets, parts[1])
    np.testing.assert_array_equal(raw.official_test.inputs[..., 0], parts[2])
    np.testing.assert_array_equal(raw.official_test.targets, parts[3])


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("inside", ["", "mnist"])
def test_files_are_found_in_the_folder_or_one_below_plain_or_gzipped(tmp_path, ending, inside):
    write(tmp_path / "data" / inside, arrays(), ending)
    check(Mnist(folder=str(tmp_path / "data")).load(), arrays())


def test_names_with_a_dot_and_gzip_without_its_ending_are_read(tmp_path):
    write(tmp_path / "data", arrays(), ".gz")
    for name in NAMES:
        (tmp_path / "data" / f"{name}.gz").rename(tmp_path / "data" / name.replace("-idx", ".idx"))
    check(Mnist(folder=str(tmp_path / "data")).load(), arrays())


def test_pixels_are_divided_by_255_and_the_official_test_is_kept(tmp_path):
    parts = arrays()
    data = Mnist(folder=str(write(tmp_path / "data", parts))).prepare(np.float32)
    assert (data.input_shape, data.target_shape, len(data.class_names)) == ((28, 28, 1), (10,), 10)
    assert [len(data.train), len(data.validation), len(data.test)] == [54, 6, 20]
    np.testing.assert_array_equal(data.test.inputs[..., 0], (parts[2] / 255).astype(np.float32))
    np.testing.assert_array_equal(data.input_scaling.apply(parts[2][..., None], np.float32), data.test.inputs)


def test_the_environment_names_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_DATA", str(tmp_path))
    write(tmp_path / "mnist", arrays(1))
    write(tmp_path / "fashion-mnist", arrays(2))
    check(Mnist().load(), arrays(1))
    check(FashionMnist().load(), arrays(2))
    assert FashionMnist().load().class_names[9] == "Ankle boot"


def test_loose_files_in_the_data_folder_are_mnist_and_never_fashion(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_DATA", str(write(tmp_path / "data", arrays(1))))
    check(Mnist().load(), arrays(1))
    write(tmp_path / "cache" / "framework" / "fashion_mnist", arrays(2))
    check(FashionMnist().load(), arrays(2))


def test_the_folder_field_goes_before_the_environment_and_that_before_the_cache(tmp_path, monkeypatch):
    write(tmp_path / "cache" / "framework" / "mnist", arrays(0))
    check(Mnist().load(), arrays(0))
    monkeypatch.setenv("FRAMEWORK_DATA", str(write(tmp_path / "environment", arrays(1))))
    check(Mnist().load(), arrays(1))
    check(Mnist(folder=str(write(tmp_path / "field", arrays(2)))).load(), arrays(2))


def test_files_that_change_are_read_again(tmp_path):
    folder = write(tmp_path / "data", arrays(1))
    first = prepared(Mnist(folder=str(folder)), np.float32)
    assert prepared(Mnist(folder=str(folder)), np.float32) is first
    write(folder, arrays(2, train=70))
    assert len(prepared(Mnist(folder=str(folder)), np.float32).train) == 63


def test_idx_files_come_back_as_written(tmp_path):
    array = np.random.default_rng(3).integers(0, 256, (5, 3, 2), dtype=np.uint8)
    write_idx(tmp_path / "file", array)
    assert (tmp_path / "file").read_bytes() == packed(array)
    np.testing.assert_array_equal(read_idx(tmp_path / "file", 3), array)


GOOD = packed(np.zeros((4, 28, 28)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing"),
        (b"<html>", "starts with 3c 68 74 6d, but must start with 00 00 08 03"),
        (packed(np.zeros(4)), "starts with 00 00 08 01"),
        (GOOD[:10], "cut off within its header"),
        (GOOD[:-1], r"holds 3135 bytes, its header says 3136 \(4 x 28 x 28\)"),
        (GOOD + b"\0", "holds more than 3136 bytes, its header says 3136"),
        (GOOD[:4] + b"\xff" * 12 + bytes(9), r"its header says \d{29} bytes .* more than it can hold"),
        (gzip.compress(GOOD[:4] + b"\xff" * 12 + bytes(9)), r"its header says \d{29} bytes .* more than it can hold"),
        (gzip.compress(GOOD)[:-12], "cannot be read"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "cannot be read"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
    ],
    ids=[
        "empty",
        "html",
        "labels",
        "header-cut",
        "byte-short",
        "byte-long",
        "huge",
        "gzip-huge",
        "gzip-cut",
        "gzip-checksum",
        "gzip-name-only",
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path, content, message):
    folder = write(tmp_path / "data", arrays())
    (folder / NAMES[0]).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        Mnist(folder=str(folder)).load()
    assert NAMES[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_do_not_fit_together_are_refused(tmp_path):
    parts = arrays()
    counts = write(tmp_path / "counts", [parts[0], parts[1][:-1], *parts[2:]])
    with pytest.raises(InputError, match=r"has 60 images, .*train-labels-idx1-ubyte has 59 labels"):
        Mnist(folder=str(counts)).load()
    labels = write(tmp_path / "labels", [*parts[:3], parts[3] + 5])
    with pytest.raises(InputError, match="has the label 14; mnist has 0 to 9"):
        Mnist(folder=str(labels)).load()
    shapes = write(tmp_path / "shapes", [parts[0][:, :14], *parts[1:]])
    with pytest.raises(InputError, match=r"shape \(28, 28, 1\), the other inputs \(14, 28, 1\)"):
        Mnist(folder=str(shapes)).prepare(np.float32)


def test_missing_folders_and_files_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"dataset\.folder=/no/such is not a folder"):
        Mnist(folder="/no/such").load()
    with pytest.raises(InputError, match=r"has no fashion_mnist files: it must hold train-images-idx3-ubyte, "):
        FashionMnist(folder=str(tmp_path)).load()
    (write(tmp_path / "data", arrays()) / NAMES[3]).unlink()
    with pytest.raises(InputError, match=r"lacks t10k-labels-idx1-ubyte\[\.gz\], which mnist needs"):
        Mnist(folder=str(tmp_path / "data")).load()
    monkeypatch.setenv("FRAMEWORK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"FRAMEWORK_DATA=.*nowhere is not a folder"):
        Mnist().load()


def test_without_network_the_message_says_where_files_can_be_put(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(InputError, match="could not be downloaded") as caught:
        Mnist().load()
    message = str(caught.value)
    assert "network is unreachable" in message
    assert str(tmp_path / "cache" / "framework" / "mnist") in message
    assert "dataset.folder=" in message
    assert "FRAMEWORK_DATA" in message
    assert all(name in message for name in NAMES)
    assert "\n" not in message


@pytest.mark.parametrize(("made", "asked"), [(Mnist, "mnist_784"), (FashionMnist, "Fashion-MNIST")])
def test_a_download_is_kept_in_the_cache_with_the_last_rows_as_test(monkeypatch, tmp_path, made, asked):
    parts = arrays(4)
    calls = []

    def fetch(name, *, version, **_):
        calls.append((name, version))
        images = np.concatenate([parts[0], parts[2]]).reshape(80, 784).astype(np.float64)
        return images, np.concatenate([parts[1], parts[3]]).astype(str).astype(object)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    monkeypatch.setattr(_mnist_files, "_TRAIN", 60)
    check(made().load(), parts)
    check(made().load(), parts)
    assert calls == [(asked, 1)]
    assert len(list((tmp_path / "cache" / "framework").iterdir())) == 1


REAL = os.environ.get("FRAMEWORK_DATA", "")


@pytest.mark.skipif(not REAL, reason="set FRAMEWORK_DATA to the folder with mnist/ for tests on the real files")
def test_the_real_mnist_is_as_published(monkeypatch):
    monkeypatch.setenv("FRAMEWORK_DATA", REAL)
    raw = Mnist().load()
    assert raw.samples.inputs.shape == (60_000, 28, 28, 1)
    assert raw.official_test.inputs.shape == (10_000, 28, 28, 1)
    assert Mnist.layout == Layout(60_000, 10_000, raw.samples.inputs.shape[1:], classes=len(raw.class_names))
    assert list(raw.samples.targets[:10]) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert list(np.bincount(raw.samples.targets)) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert list(np.bincount(raw.official_test.targets)) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert raw.samples.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
