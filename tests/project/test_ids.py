"""Ids are short words, and two collections of the suite give the same tests in the same order."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from ids import LONGEST_ID, LONGEST_TEXT, misfits, parameter_id
from places import ROOT
from processes import PATIENCE

COLLECT = """
import sys, time, pytest
now = time.time
time.time = lambda: now() + 3600
sys.exit(pytest.main(sys.argv[1:]))
"""


def collected_later() -> list[str]:
    """Return the ids that a process of its own collects, with another hash seed and its clock an hour ahead."""
    seed = os.environ.get("PYTHONHASHSEED", "random")
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, "-o", "addopts=", "-q", "--collect-only", "tests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1" if seed in ("0", "random") else "0"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if line.startswith("tests/") and "::" in line]


def file_of(node_id: str) -> str:
    return node_id.partition("::")[0]


def test_two_collections_give_the_same_ids_in_the_same_order(request):
    asked = request.config
    if asked.option.keyword or asked.option.markexpr or any("::" in word for word in asked.args):
        pytest.skip("a part of the tests was selected: there is no whole collection to compare")
    here = [item.nodeid for item in request.session.items]
    files = {file_of(node_id) for node_id in here}
    later = [node_id for node_id in collected_later() if file_of(node_id) in files]
    assert sorted(later, key=file_of) == sorted(here, key=file_of)  # files may have been named in any order


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("did you mean adam", "did_you_mean_adam"),
        ("blog/adam", "blog/adam"),
        (r"^at\.lr=-1 is out", "at.lr=-1_is_out"),
        ("grüße <html>", "gr_e_html"),
        ("a" * 100, "a" * LONGEST_TEXT),
        ("words that are cut where one ends", "words_that_are_cut_where"),
        ("", "no-value"),
        ("[]", "no-value"),
        ("x,y\n1,2\n", "value"),
        (["optimizer=sgd", "seed=1"], "optimizer=sgd_seed=1"),
        ({"lr": 0.5, "nesterov": True}, "lr=0.5_nesterov=True"),
        ({}, "no-value"),
        (re.compile(r"is \d+"), "is_d"),
        (lambda: 0, "value"),
        ({"stages": {"clip_norm": {}}}, None),
        (np.ones(3), None),
        (0.5, None),
    ],
)
def test_a_parameter_becomes_short_words(value, expected):
    assert parameter_id(value, "value") == expected


def test_bytes_need_an_id():
    with pytest.raises(TypeError, match="content is bytes: give this case a name"):
        parameter_id(b"\x1f\x8b", "content")


def test_an_id_that_is_not_short_words_is_found():
    fit = ["tests/a.py::test_b", "tests/a.py::test_b[adam-lr=-1-1e-13]", f"a.py::b[{'c' * LONGEST_ID}]"]
    unfit = ["a.py::b[two words]", "a.py::b[['list']]", "a.py::b[\\x1f]", "a.py::b[]", f"a.py::b[{'c' * LONGEST_ID}d]"]
    assert misfits([*fit, *unfit]) == unfit


def test_an_id_that_is_not_short_words_fails_the_collection(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    for helper in ("ids.py", "isolation.py"):
        (tmp_path / helper).write_text((ROOT / "tests" / "support" / helper).read_text())
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.parametrize('x', [1], ids=['a b'])\ndef test_it(x): ..."
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "1", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stderr
    assert "a test id is made of" in done.stdout
    assert "test_it.py::test_it[a b]" in done.stdout
    assert "passed" not in done.stdout
