"""Split the docstring of a plugin class into summary, formula, notes, source and differences.

A docstring has this structure; all parts except the summary are optional::

    Adam: momentum, scaled by a running root mean square of the gradient.

    With g the gradient, step t is::

        p = p - lr g

    Notes, in any number of paragraphs.

    Source: Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.

    Differs from torch: not at all. Differs from the paper: the sign.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

SOURCE = re.compile(r"Sources?: +(.*)", re.DOTALL)
DIFFERENCE = re.compile(r"(?:(?<=^)|(?<=[.)] ))(?=Differs from )")
LITERAL = "::"
"""Suffix of a paragraph before an indented block. The first such block is the formula."""


@dataclass(frozen=True)
class Explanation:
    """The parts of a docstring. Each paragraph is a single line; literal blocks keep their line breaks.

    Attributes:
        summary: the first line.
        formula: the paragraph before the first literal block, an empty line, and the block, indented by four spaces;
            or "".
        notes: all other paragraphs.
        source: the paragraph after ``Source:``, or "".
        differs: one text for each "Differs from …", of one or more sentences.
    """

    summary: str
    formula: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""
    differs: tuple[str, ...] = ()


def explanation(cls: type) -> Explanation:
    """Return the parts of the docstring of ``cls``. The docstring of a base class is not inherited."""
    summary, *rest = _paragraphs(inspect.cleandoc(cls.__doc__ or "")) or [""]
    formula, source = "", ""
    notes: list[str] = []
    differs: list[str] = []
    for paragraph in rest:
        if "\n" in paragraph and not formula:
            formula = paragraph
        elif match := SOURCE.match(paragraph):
            source = match[1]
        elif "\n" in paragraph:
            notes.append(paragraph)
        else:
            for part in DIFFERENCE.split(paragraph):
                (differs if part.startswith("Differs from ") else notes).append(part.strip())
    return Explanation(summary, formula, tuple(filter(None, notes)), source, tuple(differs))


def citation(cls: type) -> str:
    """Return the first citation of the source: the text up to the first sentence end or unparenthesized semicolon."""
    text = re.split(r"(?<!\bal)(?<!\b[A-Z])\. (?=[A-Za-z`])", explanation(cls).source)[0]
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth < 0 or (letter == ";" and depth == 0):
            text = text[:position]
            break
    return text.rstrip(".;, ")


def _paragraphs(text: str) -> list[str]:
    """Return paragraphs as single lines; a paragraph that ends in ``::`` includes the indented block after it."""
    return [paragraph.replace("``", "`") for paragraph in _joined(re.split(r"\n[ \t]*\n", text)) if paragraph]


def _joined(blocks: list[str]) -> Iterator[str]:
    joined = ""
    for block in blocks:
        if block.startswith("    ") and joined:
            joined += "\n\n" + block.rstrip()
            continue
        yield joined
        line = " ".join(block.split())
        joined = line.removesuffix(LITERAL) + ":" if line.endswith(LITERAL) else line
    yield joined
