"""Archives whose headers or directories claim more than the file holds."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from framework.data.archives import UNREADABLE, array_names, read_array
from framework.errors import InputError
from framework.training.predictor import Description, Predictor
from plugins.datasets.file import File


def member(shape, dtype="<f8", content=b"", version=(1, 0)):
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    write = npy.write_array_header_1_0 if version == (1, 0) else npy.write_array_header_2_0
    write(file, header)
    return file.getvalue() + content


def archive(path, how=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


ARRAYS = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
    "texts": np.array(["a", "größe"]),
    "none": np.empty((0, 3)),
    "zeros": np.zeros(300_000),
    "one": np.array(7.0),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    assert array_names(tmp_path / "a.npz") == list(ARRAYS)
    for name, array in ARRAYS.items():
        found = read_array(tmp_path / "a.npz", name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


CLAIMS = {
    "petabytes": ((10**15,), zipfile.ZIP_STORED),
    "more": ((4,), zipfile.ZIP_STORED),
    "less": ((2,), zipfile.ZIP_STORED),
    "packed": ((10**15,), zipfile.ZIP_DEFLATED),
    "negative": ((-1, 3), zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)], ids=["1", "2"])
def test_a_header_that_claims_another_size_is_refused(tmp_path, claim, version):
    shape, how = CLAIMS[claim]
    path = archive(tmp_path / "a.npz", how, x=member(shape, content=bytes(24), version=version))
    with pytest.raises(UNREADABLE, match=r"its header claims .* bytes of numbers; 24 follow it"):
        read_array(path, "x")


def test_a_directory_that_claims_another_size_is_refused(tmp_path):
    path = archive(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, x=member((10**8,), content=bytes(24)))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 8 * 10**8 + 128)  # the uncompressed size
    path.write_bytes(content)
    with pytest.raises(UNREADABLE, match="its directory claims 800,000,128 bytes, more than the file can hold"):
        read_array(path, "x")


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(UNREADABLE, match="Python objects"):
        read_array(tmp_path / "a.npz", "x")


def test_a_data_set_that_claims_petabytes_is_refused_in_one_line(tmp_path):
    path = archive(tmp_path / "a.npz", x=member((10**15,)), y=member((10**15,)))
    with pytest.raises(InputError, match=r"array 'x' cannot be read \(its header claims 8,000,000,000,000,000 bytes"):
        File(path=str(path)).load()


def test_weights_that_claim_petabytes_are_refused_in_one_line(tmp_path):
    description = Description([("dense", {"units": 3})], (4,), "float32", "classification", [])
    Predictor(description, {}).save(tmp_path)
    archive(tmp_path / "weights.npz", parameters=member((10**15,), "<f4"))
    with pytest.raises(InputError, match="holds a damaged model: its header claims"):
        Predictor.load(tmp_path)
