"""The README's commands work as typed: single runs train for an epoch, sweeps are planned, what serves is parsed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys

import pytest
from hydra import compose, initialize_config_dir
from places import ROOT

from framework.cli import commands
from framework.config.check import check
from framework.hydra_app.composed import plain_data, register_resolvers
from framework.registry import manager
from framework.system.paths import conf_folder

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
FILES = {found[1]: code for _, code in BLOCKS if (found := re.match(r"# (\w+\.py)\n", code))}
SHELL = "\n".join(code for language, code in BLOCKS if language == "bash").replace("\\\n", " ")
INLINE = re.findall(r"`(?:python -m framework )([^`]+)`", README)
HELPS = re.findall(r"`((?:--help|help [^`]+|[^`]+ --help))`", README)
TABLED = re.findall(r"`(problem=[a-z]\w+(?: [^`]+)?)`", README)
"""Settings to type after the program's name: experiments and problems."""


def documented():
    lines = [line.rpartition("python -m framework ")[2] for line in SHELL.splitlines() if "-m framework " in line]
    found = [shlex.split(line, comments=True) for line in [*lines, *INLINE]]
    found += [shlex.split(words) for words in HELPS]
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["framework"])
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)

    def call(words):
        handler, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
        try:
            return commands.main(words)
        except SystemExit as ended:
            return ended.code
        finally:
            signal.signal(signal.SIGTERM, handler)
            os.environ.clear()
            os.environ.update(environment)
            manager.install(None)

    return call


def test_there_are_commands_of_every_sort():
    found = documented()
    assert ["optimizer=adam"] in found
    sorts = {"-m", "--plugin", "--help", "help", "ui", "sync", "check", "compare", "new-plugin"}
    assert {words[0] for words in found} >= sorts
    assert len(TABLED) >= 6


@pytest.mark.parametrize("words", documented())
def test_a_command_runs(command, words):
    if words[0] in ("ui", "sync"):
        words = [*words, "--help"]
    elif words[0] == "compare" and "--help" not in words:
        words = [*words, "tracking.enabled=false", "plan=true"]
    elif "FOLDER" in words:
        assert command(["hydra.run.dir=FOLDER", "tracking.enabled=false", "progress=false", "epochs=1"]) == 0
    elif words[0] not in commands.COMMANDS and "--help" not in words:
        words = [*words, "tracking.enabled=false", "progress=false", "epochs=1"]
        words += ["plan=true"] if "-m" in words else []
    assert command(words) == 0


def test_what_is_to_be_typed_after_the_programs_name_composes():
    register_resolvers()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for words in TABLED:
            overrides = shlex.split(words)
            composed = check(plain_data(compose("config", overrides)))
            assert f"problem={composed.problem}" == overrides[0]
