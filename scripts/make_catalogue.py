"""Write plugins/CATALOGUE.md from the docstrings and fields of the built-in plugins; with ``--check``, only compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from framework.base.fields import Configurable, Field
from framework.cli.help.docstrings import citation
from framework.cli.help.traits import traits
from framework.registry import manager
from framework.specs import HOOKS

CATALOGUE = Path(__file__).resolve().parents[1] / "plugins" / "CATALOGUE.md"
TITLES = {
    "optimizer": "Optimizers",
    "stage": "Stages",
    "schedule": "Schedules",
    "layer": "Layers",
    "loss": "Losses",
    "metric": "Metrics",
    "dataset": "Data sets",
}
HEAD = """# Catalogue

All built-in plugins, from their docstrings and fields. `scripts/make_catalogue.py` writes this page; do not edit it.
If torch or optax is installed, its optimizers are available as `optimizer=torch/NAME` or `optimizer=optax/NAME`:
`python -m framework plugins` lists them.
"""
SHARED = {"dataset": ("split_seed", "validation", "test", "train_limit", "reconstruct"), "schedule": ("warmup_steps",)}
"""Fields that every class of a kind has; the page lists them once per kind."""


def main() -> int:
    """Write the page, or compare it if ``--check`` is given; return the exit code, 1 if the page is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is stale")
    asked = parser.parse_args()
    text = page()
    if asked.check:
        fresh = CATALOGUE.exists() and CATALOGUE.read_text(encoding="utf-8") == text
        sys.stdout.write("" if fresh else f"{CATALOGUE.name} is stale: run scripts/make_catalogue.py\n")
        return 0 if fresh else 1
    CATALOGUE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {CATALOGUE}\n")
    return 0


def page() -> str:
    """Return the text of the catalogue."""
    held = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
    parts = [HEAD]
    for kind in sorted(HOOKS, key=list(TITLES).index):
        classes = {name: held.find(kind, name).cls for name in held.names(kind)}
        own = {name: cls for name, cls in classes.items() if not getattr(cls, "external", "")}
        parts += [f"## {TITLES[kind]} ({len(own)})\n", *_shared(kind, own), *_table(kind, own)]
    return "\n".join(parts)


def _shared(kind: str, classes: Mapping[str, type[Configurable]]) -> Iterator[str]:
    if kind in SHARED:
        cls = next(iter(classes.values()))
        told = ", ".join(_field(name, cls.fields[name]) for name in SHARED[kind])
        yield f"All have {told}.\n"


def _table(kind: str, classes: Mapping[str, type[Configurable]]) -> Iterator[str]:
    yield "| name | | fields: default (range) | source | traits |\n|---|---|---|---|---|"
    for name, cls in classes.items():
        fields = "<br>".join(_field(n, f) for n, f in cls.fields.items() if n not in SHARED.get(kind, ()))
        cells = (f"`{name}`", cls.summary(), fields, citation(cls), ", ".join(traits(kind, cls)))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _field(name: str, field: Field) -> str:
    default = "null" if field.default is None else field.default
    shown = f"{default:g}" if isinstance(default, float) else str(default).lower() if field.kind == "flag" else default
    return f"`{name}={shown}`" + ("" if field.kind == "flag" else f" ({field.range()})")


if __name__ == "__main__":
    sys.exit(main())
