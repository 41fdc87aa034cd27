"""Paths of the project's folders."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
REFERENCE = TESTS / "reference"
"""Golden files, each with a record of its origin."""
