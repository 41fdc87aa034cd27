"""HTML tables for notebooks.

Styles are set on the cells and define no colours: they do not affect the rest of the notebook, and the tables are
legible in light and dark themes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

AS_TYPED = "tex2jax_ignore mathjax_ignore"
"""CSS classes that stop notebooks from rendering dollar signs as formulas, as in pandas' data frames."""


def block(*parts: str) -> str:
    """Return an HTML block with the parts below one another; each part must be HTML."""
    return f'<div class="{AS_TYPED}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; the first row is its header, and cells are plain text, which is escaped."""
    head, *body = rows
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in body)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{lines}</tbody></table>"


def _cells(tag: str, row: Iterable[str]) -> str:
    """Return a row's cells: the first left-aligned, the others right-aligned with digits of equal width."""
    styles = ["text-align:left"]
    cells = []
    for cell in row:
        cells.append(f'<{tag} style="{styles[-1]}">{escape(cell)}</{tag}>')
        styles.append("text-align:right;font-variant-numeric:tabular-nums")
    return "".join(cells)
