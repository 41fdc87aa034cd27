"""Fixtures for tests of training steps that run without returning to Python."""

from __future__ import annotations

import pytest

from framework.training import passes, together


@pytest.fixture(autouse=True)
def nothing_logged_before():
    passes.log_once.cache_clear()


@pytest.fixture
def taken(monkeypatch):
    """Return the list of the numbers of steps that calls take together."""
    counts = []
    original = together.Together.take

    def take(self, order, number, step, count):
        counts.append(count)
        return original(self, order, number, step, count)

    monkeypatch.setattr(together.Together, "take", take)
    return counts
