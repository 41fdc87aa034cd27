"""Import optional dependencies (extras), or skip the test with a reason that names the missing extra."""

from __future__ import annotations

from typing import Any

import pytest


def extra(module: str, name: str = "") -> Any:
    """Return a module of an extra, or skip the test if it is not installed.

    Args:
        module: dotted name of the module.
        name: name of the extra if it differs from the module's top-level name.
    """
    return pytest.importorskip(module, reason=without(name or module.partition(".")[0]))


def without(extra: str) -> str:
    """Return the reason for skipping a test if ``extra`` is not installed."""
    return f"the extra {extra} is not installed: pip install -e '.[{extra}]'"
