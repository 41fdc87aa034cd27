"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from framework.system.files import write_whole


def test_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (b"old", b"new"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("place", "step"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
def test_a_failure_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object, step: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(*arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(place, step, full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new", durable=True)
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]
