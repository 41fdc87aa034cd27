"""Tables in a notebook.

Styles stand on the cells and name no colour: nothing leaks into the notebook, and both light and dark ones are legible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

AS_TYPED = "tex2jax_ignore mathjax_ignore"
"""Classes by which notebooks, as for pandas' frames, leave dollar signs alone."""


def block(*parts: str) -> str:
    """Return parts below one another; each is HTML already."""
    return f'<div class="{AS_TYPED}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first row is its head, and cells are plain text."""
    head, *body = rows
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in body)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{lines}</tbody></table>"


def _cells(tag: str, row: Iterable[str]) -> str:
    """Return a row's cells, the first to the left, the others to the right with digits of one width."""
    styles = ["text-align:left"]
    found = []
    for cell in row:
        found.append(f'<{tag} style="{styles[-1]}">{escape(cell)}</{tag}>')
        styles.append("text-align:right;font-variant-numeric:tabular-nums")
    return "".join(found)
