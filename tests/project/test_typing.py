"""Public names have real types: a third party's plugin of each kind passes mypy's strict mode, and is sound."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import typed_plugins
from places import ROOT
from processes import PATIENCE

import framework
from framework.checks import check
from framework.checks.results import FAILED
from framework.specs import HOOKS

PLUGIN = ROOT / "tests" / "support" / "typed_plugins.py"
STUB = ROOT / "framework" / "__init__.pyi"


def checked_by_mypy(path: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy", reason="mypy is not installed: pip install -e '.[dev]'")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_plugin_of_each_kind_passes_mypy_strict():
    done = checked_by_mypy(PLUGIN)
    assert done.returncode == 0, done.stdout


def test_mypy_sees_a_wrong_type(tmp_path):
    """The names are not all of type Any: then this would pass, too."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from framework import Parameters, stream\nstream('seed')\nParameters.flat.nothing\n")
    done = checked_by_mypy(wrong)
    assert 'incompatible type "str"; expected "int"' in done.stdout
    assert '"nothing"' in done.stdout


@pytest.mark.parametrize(
    ("kind", "cls"),
    [(spec.kind, spec.cls) for hook in HOOKS.values() for spec in getattr(typed_plugins, hook)()],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_that_plugin_conforms(kind, cls):
    assert [result for result in check(kind, cls) if result.status == FAILED] == []


def test_every_name_of_the_stub_is_there_and_explained():
    names = [
        alias.name
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(names) == framework.__all__
    for name in names:
        value = getattr(framework, name)
        assert not callable(value) or value.__doc__, name
    assert (ROOT / "framework" / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute nothing"):
        framework.nothing  # noqa: B018
