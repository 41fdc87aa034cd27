"""Where the project's files are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
REFERENCE = TESTS / "reference"
"""Golden files, and what made them."""
