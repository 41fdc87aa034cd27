"""What tests need beyond the dependencies: extras, each named by the reason for which a test is skipped without it."""

from __future__ import annotations

from typing import Any

import pytest


def extra(module: str, name: str = "") -> Any:
    """Return a module of an extra, or skip the test; a name that is not the module's is that of the extra."""
    return pytest.importorskip(module, reason=without(name or module.partition(".")[0]))


def without(extra: str) -> str:
    """Return the reason for which a test is skipped."""
    return f"the extra {extra} is not installed: pip install -e '.[{extra}]'"
