"""The parts of a plugin class's docstring: summary, formula, notes, source, differences.

A docstring has this structure; every part but the summary may be missing::

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
"""The end of a paragraph that an indented block follows; the first such block is the formula."""


@dataclass(frozen=True)
class Explanation:
    """What a docstring says, part by part; paragraphs are single lines, literal blocks keep theirs.

    Attributes:
        summary: the first line.
        formula: the sentence that leads to the first literal block, an empty line, and the block, indented by four.
        notes: all other paragraphs.
        source: the paragraph after ``Source:``, or "".
        differs: one sentence or more for each "Differs from …".
    """

    summary: str
    formula: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""
    differs: tuple[str, ...] = ()


def explanation(cls: type) -> Explanation:
    """Return the parts of the docstring of ``cls``; a base's docstring is not inherited."""
    summary, *rest = _paragraphs(inspect.cleandoc(cls.__doc__ or "")) or [""]
    formula, source = "", ""
    notes: list[str] = []
    differs: list[str] = []
    for paragraph in rest:
        if "\n" in paragraph and not formula:
            formula = paragraph
        elif found := SOURCE.match(paragraph):
            source = found[1]
        elif "\n" in paragraph:
            notes.append(paragraph)
        else:
            for part in DIFFERENCE.split(paragraph):
                (differs if part.startswith("Differs from ") else notes).append(part.strip())
    return Explanation(summary, formula, tuple(filter(None, notes)), source, tuple(differs))


def citation(cls: type) -> str:
    """Return the first citation of the source: up to the end of its first sentence, or to a semicolon."""
    text = re.split(r"(?<!\bal)(?<!\b[A-Z])\. (?=[A-Za-z`])", explanation(cls).source)[0]
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth < 0 or (letter == ";" and depth == 0):
            text = text[:place]
            break
    return text.rstrip(".;, ")


def _paragraphs(text: str) -> list[str]:
    """Return paragraphs as single lines; one that ends in ``::`` keeps the indented block after it."""
    return [paragraph.replace("``", "`") for paragraph in _joined(re.split(r"\n[ \t]*\n", text)) if paragraph]


def _joined(blocks: list[str]) -> Iterator[str]:
    held = ""
    for block in blocks:
        if block.startswith("    ") and held:
            held += "\n\n" + block.rstrip()
            continue
        yield held
        line = " ".join(block.split())
        held = line.removesuffix(LITERAL) + ":" if line.endswith(LITERAL) else line
    yield held
