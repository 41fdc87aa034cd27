"""The files beside the page: the tables come back with the same numbers, and the animations move."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from comparisons import NAMES, comparison, plain_sweep

from framework.reports.animation import COLORS, FRAMES, write_animations
from framework.reports.data_files import NAMES as TABLES
from framework.reports.data_files import tables, write_data


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_tables_come_back_with_all_digits(tmp_path: Path, ending: str) -> None:
    given = comparison(('a,"b"\n$c', "日本"), problems=2, seeds=3, trials=2, epochs=2)
    given.runs.loc[0, "steps_to_target"] = math.inf
    given.curves.loc[0, "val/loss"] = -math.inf
    written = write_data(given, tmp_path)
    assert sorted(path.name for path in written) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")
    )
    read = {
        "csv": lambda path: pandas.read_csv(path, keep_default_na=False, na_values=[""]),
        "parquet": pandas.read_parquet,
    }
    for name, table in tables(given).items():
        back = read[ending](tmp_path / f"{name}.{ending}")
        text = [column for column in table if not pandas.api.types.is_numeric_dtype(table[column])]
        assert list(back) == list(table)
        assert back[text].fillna("").astype(str).equals(table[text].astype(str)), name
        for column in set(table) - set(text):
            assert np.array_equal(back[column], table[column], equal_nan=True), (name, column)
    assert read[ending](tmp_path / f"runs.{ending}")["steps_to_target"][0] == math.inf
    assert read[ending](tmp_path / f"curves.{ending}")["val/loss"][0] == -math.inf


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        contents.append([path.read_bytes() for path in write_data(comparison(NAMES[:2], 1, 2, 2, 2), tmp_path / name)])
    assert contents[0] == contents[1]


def test_empty_tables_are_written(tmp_path: Path) -> None:
    write_data(plain_sweep(), tmp_path)
    assert list(pandas.read_csv(tmp_path / "curves.csv")) == list(plain_sweep().curves)
    assert len(pandas.read_parquet(tmp_path / "trials.parquet")) == 0


def test_paths_are_animated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setenv("PATH", str(tmp_path))  # without ffmpeg
    given = comparison(("adam", "$a_b$ <c>"), problems=1, seeds=2, trials=0, epochs=2)
    assert write_animations(given, tmp_path) == [tmp_path / "rosenbrock.svg", tmp_path / "rosenbrock.gif"]
    with Image.open(tmp_path / "rosenbrock.gif") as film:
        assert FRAMES / 2 < film.n_frames <= FRAMES  # equal frames are joined
        first = np.asarray(film.convert("RGB"))
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB"), dtype=int)
    assert (first != last).any(axis=-1).sum() > 500  # the paths have grown
    for color in COLORS[:2]:
        drawn = np.abs(last - [int(color[at : at + 2], 16) for at in (1, 3, 5)]).max(axis=-1)
        assert (drawn <= 3).sum() > 50  # each path in its own colour
    picture = (tmp_path / "rosenbrock.svg").read_text(encoding="utf-8")
    assert "#0072b2" in picture.lower() and "<c>" not in picture


def test_a_film_is_made_if_ffmpeg_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\n/bin/cat > "{tmp_path}/frames"\necho "$@" > "{tmp_path}/words"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    written = write_animations(comparison(NAMES[:1], problems=1, seeds=2, trials=0, epochs=2), tmp_path)
    assert [path.suffix for path in written] == [".svg", ".gif", ".mp4"]
    assert "672x480" in (tmp_path / "words").read_text()
    assert (tmp_path / "frames").stat().st_size == FRAMES * 672 * 480 * 3


@pytest.mark.parametrize(
    ("script", "reason"),
    [("#!/bin/sh\necho no codec >&2\nexit 3\n", "no codec"), ("no program", "OSError")],
    ids=["exit", "broken"],
)
def test_without_a_film_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, reason: str
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("framework.reports.animation.FRAMES", 2)
    (tmp_path / "rosenbrock.mp4").touch()  # what ffmpeg has begun
    written = write_animations(comparison(NAMES[:1], problems=1, seeds=2, trials=0, epochs=2), tmp_path)
    assert [path.suffix for path in written] == [".svg", ".gif"]
    assert not (tmp_path / "rosenbrock.mp4").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: rosenbrock.mp4 was not made, because ffmpeg failed: ") and reason in line


def test_nothing_is_animated_without_two_dimensional_problems(tmp_path: Path) -> None:
    given = comparison(NAMES[:2], problems=1, seeds=2, trials=0, epochs=2)
    assert write_animations(replace(given, paths=given.paths.iloc[:0]), tmp_path) == []
    assert list(tmp_path.iterdir()) == []
