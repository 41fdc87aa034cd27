"""The generated catalogue: every built-in is on it, with its fields, ranges and source; `--check` sees a stale page."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from places import ROOT

from framework import Optimizer, hyper, integer
from framework.cli.help.docstrings import citation
from framework.registry import manager

SCRIPT = ROOT / "scripts" / "make_catalogue.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_catalogue", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(script):
    """The page's rows by section and name."""
    found, section = {}, ""
    for line in script.page().splitlines():
        if line.startswith("## "):
            section = line[3:].partition(" (")[0]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[section, cells[0].strip("` ")] = cells
    return found


def test_every_built_in_is_on_the_page_once(script, rows):
    held = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
    own = {key for key, entry in held.entries.items() if not getattr(entry.cls, "external", "")}
    assert {(script.TITLES[kind], name) for kind, name in own} == set(rows)


def test_a_row_has_summary_fields_source_and_traits(rows):
    _, summary, fields, source, traits = rows["Optimizers", "adam"]
    assert summary.startswith("Adam: momentum, scaled by")
    assert "`lr=0.001` (> 0)<br>`beta1=0.9` (in [0, 1))" in fields
    assert "`amsgrad=false`" in fields
    assert source == "Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1"
    assert "elementwise" in traits
    assert "evaluates other parameters" in rows["Optimizers", "schedule_free_sgd"][4]
    assert "per tensor" in rows["Optimizers", "lamb"][4]
    assert rows["Schedules", "multistep"][3].startswith("He et al. 2016, arXiv:1512.03385")
    assert "warmup_steps" not in rows["Schedules", "multistep"][2]


def test_every_optimizer_names_its_source(rows):
    assert [name for (section, name), row in rows.items() if section == "Optimizers" and not row[3]] == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            "Words.\n\nSource: Doe & Roe 2020, arXiv:2001.00001, Algorithm 2. More words.",
            "Doe & Roe 2020, arXiv:2001.00001, Algorithm 2",
        ),
        ("Words.\n\nSources: Doe et al. 1999 (see 2; and 3); Roe 2001.", "Doe et al. 1999 (see 2; and 3)"),
        ("Words.\n\nSource: the usual form (Doe 1987, page 3).", "the usual form (Doe 1987, page 3)"),
        ("Words since 1987 only.", ""),
        (None, ""),
    ],
)
def test_the_first_citation_is_found(docstring, expected):
    class Sample(Optimizer):
        lr: float = hyper(0.5, above=0, at_most=1)
        size: int = integer(None, at_least=1)

    Sample.__doc__ = docstring
    assert citation(Sample) == expected


def test_check_sees_a_stale_page(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "CATALOGUE", tmp_path / "CATALOGUE.md")
    monkeypatch.setattr(sys, "argv", ["make_catalogue.py", "--check"])
    assert script.main() == 1
    assert "stale" in capsys.readouterr().out
    assert not (tmp_path / "CATALOGUE.md").exists()
    monkeypatch.setattr(sys, "argv", ["make_catalogue.py"])
    assert script.main() == 0
    monkeypatch.setattr(sys, "argv", ["make_catalogue.py", "--check"])
    assert script.main() == 0
    (tmp_path / "CATALOGUE.md").write_text("old")
    assert script.main() == 1
