"""The hash of the code of an installed or built-in class."""

from __future__ import annotations

import importlib
import sys

from runs import config

from framework.registry import manager
from framework.registry.sources import code_hash


def test_the_hash_changes_with_the_module_and_with_what_it_uses(tmp_path, monkeypatch):
    package = tmp_path / "some_rules"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "unused.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def hashed(rule: str, helper: str) -> str:
        (package / "rule.py").write_text(f"from some_rules.helper import half\n\n\nclass Rule:\n    {rule}\n")
        (package / "helper.py").write_text(f"def half(x):\n    return {helper}\n")
        for name in [name for name in sys.modules if name.startswith("some_rules")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        return code_hash(importlib.import_module("some_rules.rule").Rule)

    first = hashed("lr = 1", "x / 2")
    assert len(first) == 12
    assert hashed("lr = 1", "x / 2") == first
    assert hashed("lr = 2", "x / 2") != first
    assert hashed("lr = 1", "x * 0.5") != first
    (package / "unused.py").write_text("value = 2\n")
    assert hashed("lr = 1", "x / 2") == first


def test_the_identity_covers_the_code_of_built_in_parts(monkeypatch):
    chosen = config()
    identity = chosen.identity
    cls = manager.find("optimizer", chosen.optimizer.name).cls
    assert chosen.code[f"optimizer {chosen.optimizer.name}"] == code_hash(cls)
    assert {label.partition(" ")[0] for label in chosen.code} >= {"optimizer", "dataset", "loss", "schedule", "layer"}
    monkeypatch.setattr("framework.config.resolved.code_hash", lambda cls: "another")
    assert config().identity != identity
