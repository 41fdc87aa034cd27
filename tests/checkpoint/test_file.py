"""The file of a checkpoint: exact, whole or absent, and refused if a byte of it was changed."""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from framework.checkpoint.file import FILE, epoch_of, load, save
from framework.errors import InputError
from framework.training.state import RunState

STATE = RunState(
    epoch=3,
    step=12,
    digest="abc",
    arrays={
        "parameters": np.array([1 / 3, -0.0, np.nan, np.inf, 5e-324], dtype=np.float64),
        "update/rule/../../x": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "update/rule/t": np.array(7, dtype=np.int64),
        "buffers": np.empty(0, dtype=np.float32),
    },
    record={"history": [{"epoch": 1, "val/loss": 0.1 + 0.2, "train/loss": math.nan}], "best_loss": math.inf},
)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_every_bit_comes_back(tmp_path):
    save(tmp_path, "id", STATE)
    back = load(tmp_path, "id")
    assert back is not None
    assert (back.epoch, back.step, back.digest) == (3, 12, "abc")
    assert back.arrays.keys() == STATE.arrays.keys()
    for name, array in STATE.arrays.items():
        assert (back.arrays[name].dtype, back.arrays[name].shape) == (array.dtype, array.shape)
        assert back.arrays[name].tobytes() == array.tobytes()
    assert repr(back.record) == repr(dict(STATE.record))
    assert epoch_of(tmp_path) == 3
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_none_is_no_checkpoint(tmp_path):
    assert load(tmp_path, "id") is None
    assert epoch_of(tmp_path) == 0


def test_another_run_and_another_format_are_refused(tmp_path):
    save(tmp_path, "id", STATE)
    with pytest.raises(InputError, match="identity id; this run has other"):
        load(tmp_path, "other")
    content = members(tmp_path / FILE)
    described = json.loads(content["checkpoint.json"])
    rewrite(tmp_path / FILE, {**content, "checkpoint.json": json.dumps({**described, "format": 99}).encode()})
    with pytest.raises(InputError, match="format 99"):
        load(tmp_path, "id")


class Evil:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def evil_array() -> bytes:
    file = io.BytesIO()
    npy.write_array(file, np.array([Evil()], dtype=object), allow_pickle=True)
    return file.getvalue()


def claiming(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda content: {**content, "0.npy": content["0.npy"][:-1] + b"\x01"}, id="byte"),
        pytest.param(lambda content: {**content, "0.npy": content["1.npy"]}, id="exchanged"),
        pytest.param(lambda content: {**content, "0.npy": evil_array()}, id="pickle"),
        pytest.param(lambda content: {**content, "0.npy": claiming((1 << 40,))}, id="terabytes"),
        pytest.param(lambda content: {name: data for name, data in content.items() if name != "0.npy"}, id="missing"),
        pytest.param(lambda content: {f"../{name}": data for name, data in content.items()}, id="above"),
        pytest.param(
            lambda content: {
                **content,
                "checkpoint.json": content["checkpoint.json"].replace(b'"epoch": 3', b'"epoch": 9'),
            },
            id="epoch",
        ),
        pytest.param(lambda content: {**content, "checkpoint.json": b"[1]"}, id="list"),
        pytest.param(lambda content: {**content, "checkpoint.json": b"{"}, id="json"),
        pytest.param(lambda content: {**content, "checkpoint.json": b"{}"}, id="empty"),
    ],
)
def test_a_tampered_file_is_refused_in_one_line(tmp_path, change):
    save(tmp_path, "id", STATE)
    rewrite(tmp_path / FILE, change(members(tmp_path / FILE)))
    with pytest.raises(InputError, match="is damaged") as error:
        load(tmp_path, "id")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_members_with_paths_are_not_extracted(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    save(folder, "id", STATE)
    rewrite(folder / FILE, {**members(folder / FILE), "../stray": b"x", f"{tmp_path}/stray": b"x"})
    assert load(folder, "id") is not None
    assert list(tmp_path.rglob("*")) == [folder, folder / FILE]


@pytest.mark.parametrize("size", [0, 10, 200, -30])
def test_a_cut_file_is_refused(tmp_path, size):
    save(tmp_path, "id", STATE)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:size])
    for read in (lambda: load(tmp_path, "id"), lambda: epoch_of(tmp_path)):
        with pytest.raises(InputError, match="is damaged"):
            read()


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    save(tmp_path, "id", STATE)
    before = (tmp_path / FILE).read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, "id", STATE)
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
