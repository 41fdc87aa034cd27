"""``python -m framework new-plugin NAME``: write a small pip-installable package with one rule that passes its test."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Template

from framework import DISTRIBUTION, __version__
from framework.cli.arguments import Arguments
from framework.errors import InputError
from framework.registry import manager

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
FILES = {
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "rule.py.in": "{name}.py",
    "test.py.in": "tests/test_{name}.py",
}
"""Path in the new package per template."""


def main(words: Sequence[str]) -> int:
    """Write the requested package and print the next steps; return 0.

    Raises:
        InputError: the name or the folder is invalid; nothing was written.
    """
    parser = Arguments(
        "new-plugin",
        "Write a pip-installable package with one optimizer and its test.",
        example="new-plugin my_rule --into .",
    )
    parser.add_argument("name", metavar="NAME", help="name of the optimizer and its module, such as my_rule")
    parser.add_argument("--into", default=".", metavar="DIR", help="parent of the package's new folder (default: here)")
    asked = parser.parse_args(list(words))
    folder = write(asked.name, Path(asked.into))
    sys.stdout.write(
        f"wrote {folder}; next:\n"
        f"  pip install -e '{folder}[test]' && pytest {folder}\n"
        f"  python -m framework optimizer={asked.name}\n"
    )
    return 0


def write(name: str, into: Path) -> Path:
    """Write a package for the optimizer ``name`` below the folder ``into``; return the package's folder.

    Raises:
        InputError: the name is not a lower-case Python name or is taken, ``into`` is not a folder or not writable, or
            the package's folder exists. Nothing was written.
    """
    _check_name(name)
    if not into.is_dir():
        raise InputError(f"new-plugin: --into {into} is not a folder: create it or name another")
    folder = into / name
    if not os.access(into, os.W_OK):
        raise InputError(f"new-plugin: --into {into} cannot be written to: name another folder")
    if folder.exists():
        raise InputError(f"new-plugin: {folder} exists already: choose another name or folder")
    words = name.split("_")
    values = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "title": " ".join([words[0].capitalize(), *words[1:]]).strip(),
        "class_name": "".join(word.capitalize() for word in words),
        "distribution": DISTRIBUTION,
        "version": __version__,
    }
    with tempfile.TemporaryDirectory(dir=into, prefix=f".{name}-") as work:  # moved in one step, so no partial package
        for template, target in FILES.items():
            path = Path(work) / name / target.format(name=name)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
            path.write_text(text, encoding="utf-8")
        (Path(work) / name).rename(folder)
    return folder


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise InputError(f"new-plugin: {name!r} is not a valid name: use lower-case words, such as my_rule")
    known = manager.current().entries.get(("optimizer", name))
    if known is not None:
        raise InputError(f"new-plugin: {known.provider} has an optimizer {name} already: choose another name")
    module = importlib.util.find_spec(name)
    if module is not None and module.origin is not None:  # None for a plain folder of that name
        raise InputError(f"new-plugin: Python has a module {name} already: choose another name")
