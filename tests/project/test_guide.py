"""The plugin author's guide is true: its Python blocks load, conform and run; its commands end well."""

from __future__ import annotations

import re
import shlex
import signal
import sys

import pytest
from places import ROOT

import framework
from framework import hookspecs
from framework.checks import check
from framework.checks.results import FAILED
from framework.cli import commands
from framework.registry import manager
from framework.specs import HOOKS

pytestmark = pytest.mark.usefixtures("unrendered")

GUIDE = ROOT / "plugins" / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
FILES = {
    found[1]: code for language, code in BLOCKS if language == "python" and (found := re.match(r"# (\w+\.py)\n", code))
}
SCRIPTS = [code for language, code in BLOCKS if language == "python" and not code.startswith("# ")]
COMMANDS = [
    line
    for language, code in BLOCKS
    if language == "bash"
    for line in code.splitlines()
    if line.startswith("python -m")
]
SMALL = ("problem=digits_softmax", "dataset.train_limit=60", "epochs=1", "progress=false", "tracking.enabled=false")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the guide's files in it, and no plugin but ours."""
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    yield tmp_path
    manager.install(None)


def opened(folder, *names):
    held = manager.load([folder / name for name in names], environ={"FRAMEWORK_STRICT_PLUGINS": "1"})
    manager.install(held)
    return held


def test_the_guide_shows_every_kind_and_a_lifecycle_hook(here):
    held = opened(here, *FILES)
    shown = {entry.kind for entry in held.entries.values() if entry.provider.origin == "file"}
    assert shown == set(HOOKS)
    assert held.lifecycle("should_stop")
    assert len(SCRIPTS) >= 1
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_the_guide_provides_conforms(here, name):
    held = opened(here, name)
    for kind, found in [key for key, entry in held.entries.items() if entry.provider.origin == "file"]:
        assert [result for result in check(kind, found) if result.status == FAILED] == []


def test_the_first_rule_has_at_most_ten_lines_below_its_imports():
    code = FILES["sign_momentum.py"]
    _, _, rule = code.partition("class ")
    assert len([line for line in rule.splitlines() if line.strip()]) <= 10


def test_its_lifecycle_hooks_fire(here):
    held = opened(here, "patience.py")
    framework.run(*SMALL)
    (plugin,) = [plugin for name, plugin in held.manager.list_name_plugin() if name == "patience"]
    assert [len(losses) for losses in plugin.losses.values()] == [1]


@pytest.mark.parametrize("code", SCRIPTS)
def test_its_scripts_run(here, code):
    exec(compile(code, "guide", "exec"), {})  # noqa: S102 - our own page


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_end_well(here, monkeypatch, line):
    words = shlex.split(line.partition("python -m framework ")[2])
    small = SMALL if any(word.startswith("optimizer=") for word in words) else ()
    monkeypatch.setattr(sys, "argv", ["framework"])
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert commands.main([*words, *small]) == 0
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_it_names_the_hooks_there_are():
    text = GUIDE.read_text(encoding="utf-8")
    hooks = [name for name, hook in vars(hookspecs).items() if hasattr(hook, f"{hookspecs.PROJECT}_spec")]
    lifecycle = [name for name in hooks if name not in HOOKS.values()]
    assert [name for name in lifecycle if name not in text] == []
