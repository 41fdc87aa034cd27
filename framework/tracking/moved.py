"""Databases that were moved with their project: MLflow stores absolute paths of the artifacts in many rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = "mlartifacts"
"""Name of the folder of artifacts beside a database."""
_COLUMNS = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))


def follow_move(database: Path) -> None:
    """Point a database to the artifacts beside it, if those beside its earlier place are gone.

    Otherwise MLflow would create the folder at the earlier place anew. Only locations that this package chose are
    changed: a folder in `ROOT`.

    Args:
        database: an SQLite file with MLflow's tables.

    Raises:
        sqlite3.Error: the database cannot be read or written.
    """
    new = (database.parent / ROOT).as_uri()
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        locations = [row[0] for row in connection.execute("SELECT DISTINCT artifact_location FROM experiments")]
        for old in {root for root in map(_root, locations) if root is not None and root != new}:
            with connection:
                for table, column in _existing(connection):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - our own names
                        (new, len(old) + 1, len(old) + 1, f"{old}/"),
                    )


def _root(location: str | None) -> str | None:
    """Return the address of the folder that contains an experiment's folder, if that folder is gone."""
    root, _, name = (location or "").rpartition("/")
    path = Path(unquote(urlsplit(root).path))
    gone = root.startswith("file:") and name and path.name == ROOT and not path.exists()
    return root if gone else None


def _existing(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [(table, column) for table, column in _COLUMNS if table in tables]
