"""Files that a stranger or a bad disk has changed: one line, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys

import fuzzing
import pytest
from mutations import Trap
from places import ROOT
from processes import PATIENCE

from framework.errors import InputError
from framework.runs.yaml_text import dump, read
from framework.system import strict_json
from framework.system.files import read_regular

FUZZ = ROOT / "scripts" / "fuzz.py"


def test_three_hundred_mutated_files_are_refused_or_read():
    command = [sys.executable, str(FUZZ), "300", "--seed", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    total = done.stdout.splitlines()[-1].split()
    assert total[:2] == ["all", "300"]
    assert int(total[2]) > 200 and int(total[3]) > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_mutated_files_are_refused_or_read(seed):
    command = [sys.executable, str(FUZZ), "2500", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    return fuzzing.Fuzzer(tmp_path_factory.mktemp("fuzz"), 0)


KINDS = pytest.mark.parametrize("number", range(len(fuzzing.KINDS)), ids=[kind.name for kind in fuzzing.KINDS])


@KINDS
def test_a_file_that_was_not_changed_is_accepted(fuzzer, number, monkeypatch):
    monkeypatch.setattr(fuzzing, "place", lambda rng, kind, folder: None)
    assert fuzzer.run(number).result == "accepted"


def _run(path):
    path.with_name("more").mkdir()
    subprocess.run(["true"], check=True)  # noqa: S607 - the fuzzer is to notice it


FAULTS = {
    "raw": lambda path: {}["x"],
    "outside": lambda path: (path.parents[2] / "stray").mkdir(),
    "code": _run,
    "hang": lambda path: fuzzing._ring(0, None),
    "refused": lambda path: fuzzing.interrupted(path / "nowhere"),
}


@pytest.mark.parametrize("result", FAULTS)
def test_the_fuzzer_notices_a_fault(tmp_path, result, fuzzer, monkeypatch):
    monkeypatch.setattr(fuzzing, "KINDS", [fuzzing.Kind("x", "killed", "x", lambda rng, data: data, FAULTS[result])])
    monkeypatch.setattr(fuzzing, "place", lambda rng, kind, folder: None)
    assert fuzzer.run(0).result == result
    assert Trap.sprung == 0


@pytest.mark.parametrize(
    "text",
    [
        "a: *b",
        "a: &b [1]\nc: *b",
        "!!python/name:os.system",
        "a: 2020-01-01",
        "[" * 2000,
        "a: [",
        "a: !!binary YQ==",
        "\x00",
    ],
    ids=["alias", "anchor", "name", "date", "deep", "open", "bytes", "nul"],
)
def test_yaml_that_a_run_does_not_write_is_damaged(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"a\.yaml is damaged: "):
        read(tmp_path / "a.yaml")


def test_yaml_that_a_run_writes_comes_back(tmp_path):
    value = {"a": [1, 0.5, None, True, "2020-01-01"], "b": {"c": "x: y"}}
    (tmp_path / "a.yaml").write_text(dump(value))
    assert read(tmp_path / "a.yaml") == value


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", "[" * 100_000, "9" * 5000, "{"])
def test_json_that_is_not_json_is_refused(text):
    with pytest.raises(ValueError):
        strict_json.loads(text)


def test_json_without_numbers_for_it_spells_them():
    value = {"a": [float("inf"), -float("inf"), 1.5], "b": None}
    assert strict_json.unspelled(strict_json.loads(strict_json.dumps(strict_json.spelled(value)))) == value
    with pytest.raises(ValueError):
        strict_json.dumps(value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("make", ["fifo", "device", "folder"])
def test_what_is_no_file_is_not_read(tmp_path, make):
    import os

    path = tmp_path / "a"
    {"fifo": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}[make](path)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(path)
