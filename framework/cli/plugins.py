"""``python -m framework plugins``: list registered plugins, their origin, and plugins that failed to load."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from framework.cli.arguments import Arguments
from framework.registry.manager import Registry, current

COLUMNS = ("kind", "name", "plugin", "distribution", "version", "summary", "status", "error")


def rows(registry: Registry) -> list[dict[str, Any]]:
    """Return one row per registered name, and one per plugin that is disabled or failed to load."""
    listed = [
        {
            "kind": entry.kind,
            "name": entry.name,
            "plugin": entry.provider.name,
            "distribution": entry.provider.distribution or str(entry.provider.path or ""),
            "version": entry.provider.version,
            "summary": entry.cls.summary(),
            "status": "ok",
            "error": "",
        }
        for _, entry in sorted(registry.entries.items())
    ]
    for provider in registry.providers:
        if provider.status != "ok":
            origin = provider.distribution or str(provider.path or "")
            listed.append(
                {
                    **dict.fromkeys(COLUMNS, ""),
                    "plugin": provider.name,
                    "distribution": origin,
                    "version": provider.version,
                    "status": provider.status,
                    "error": provider.error,
                }
            )
    return listed


def main(words: Sequence[str]) -> int:
    """Print the list as a table or as JSON; return 0."""
    parser = Arguments("plugins", "List the plugins.", example="plugins --json")
    parser.add_argument("--json", action="store_true", help="print a JSON list with all columns")
    asked = parser.parse_args(words)
    listed = rows(current())
    sys.stdout.write(json.dumps(listed, indent=1) + "\n" if asked.json else _table(listed))
    return 0


def _table(listed: Sequence[dict[str, Any]]) -> str:
    widths = {column: max(len(column), *(len(row[column]) for row in listed)) for column in ("kind", "name", "plugin")}
    lines = [f"{'kind':<{widths['kind']}}  {'name':<{widths['name']}}  {'plugin':<{widths['plugin']}}  summary"]
    for row in listed:
        text = row["summary"] if row["status"] == "ok" else f"{row['status']}: {row['error']}".rstrip(": ")
        origin = (
            "" if row["plugin"].startswith("plugins.") else f"  [{row['distribution']} {row['version']}".rstrip() + "]"
        )
        cells = (f"{row[column]:<{width}}" for column, width in widths.items())
        lines.append("  ".join([*cells, text]) + origin)
    lines.append("(--json adds distribution, version, status and error)")
    return "\n".join(lines) + "\n"
