"""Paths of the project's folders."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
REFERENCE = TESTS / "reference"
"""Golden files, each with a record of its origin."""

PACKAGES = (
    "__main__",
    "cli",
    "api",
    "hydra_app",
    "reports",
    "study",
    "tracking",
    "sweeps",
    "runs",
    "checks",
    "checkpoint",
    "predictor",
    "training",
    "export",
    "plots",
    "config",
    "registry",
    "hookspecs",
    "specs",
    "data",
    "compiler",
    "tensors",
    "elementwise",
    "base",
    "system",
    "errors",
    "__init__",
)
"""Packages and top-level modules of the framework, from the top: each imports only what stands below it."""


def package_of(path: Path) -> str:
    """Return the package or top-level module of the framework that a file belongs to."""
    return path.relative_to(ROOT / "framework").with_suffix("").parts[0]
