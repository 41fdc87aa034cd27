"""Command-line words as Hydra should read them: its grammar makes numbers of words that are meant as text."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from antlr4 import CommonTokenStream, InputStream
from hydra.core.override_parser.overrides_parser import create_functions
from hydra.core.override_parser.overrides_visitor import HydraErrorListener
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.grammar.gen.OverrideLexer import OverrideLexer
from hydra.grammar.gen.OverrideParser import OverrideParser

_TAGS = re.compile(r"\+{0,2}tags(\.[^=]*)?=")
_FOLDER = re.compile(r"\+{0,2}hydra\.(run|sweep)\.dir=(?P<quote>['\"]?)(?P<path>~.*)(?P=quote)", re.DOTALL)
_CHANGED = (OverrideLexer.INT, OverrideLexer.FLOAT, OverrideLexer.BOOL, OverrideLexer.NULL)
"""Tokens whose value Hydra does not keep as text: ``1.10`` becomes 1.1, ``123e456`` infinity, ``null`` None."""
_OF_TEXT = ("choice", "shuffle", "str")
"""Functions of Hydra's grammar whose positional arguments may be text."""


def as_typed(words: Sequence[str]) -> list[str]:
    """Return overrides with the text of tags quoted where Hydra would change it, and ``~`` of folders expanded.

    A tag is text: ``tags.version=1.10`` becomes ``tags.version='1.10'``. Each value of a sweep over tags is quoted by
    itself. Interpolations and Hydra's functions keep their meaning.
    """
    return [_tag(word) if _TAGS.match(word) else _folder(word) for word in words]


def quoted(text: str) -> str:
    """Return ``text`` as a quoted string of Hydra's grammar."""
    return str(QuotedString(text, Quote.single).with_quotes())


def _folder(word: str) -> str:
    found = _FOLDER.fullmatch(word)
    if found is None:
        return word
    return f"{word[: word.index('=')]}={quoted(str(Path(found['path']).expanduser()))}"


@functools.cache
def _tag(word: str) -> str:
    key, _, typed = word.partition("=")
    whole = key.lstrip("+") == "tags"
    try:
        value = _parsed(word).value()
    except HydraException:  # Hydra reports it for the section; what is typed for one tag needs no grammar
        return word if whole else f"{key}={quoted(typed)}"
    if value is None:
        return word
    elements = _sections(value) if whole else _choices(value)
    for start, stop in sorted((span for element in elements for span in _spans(element)), reverse=True):
        word = word[:start] + quoted(word[start:stop]) + word[stop:]
    return word


def _parsed(word: str) -> Any:
    """Return the syntax tree of an override.

    Raises:
        HydraException: the grammar does not take it.
    """
    lexer = OverrideLexer(InputStream(word))
    parser = OverrideParser(CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(HydraErrorListener())
    return parser.override()


def _choices(value: Any) -> Sequence[Any]:
    return value.simpleChoiceSweep().element() if value.element() is None else [value.element()]


def _sections(value: Any) -> Sequence[Any]:
    """Return the values of a mapping that sets all tags at once, or of each mapping of a sweep."""
    mappings = [element.dictContainer() for element in _choices(value)]
    return [pair.element() for mapping in mappings if mapping is not None for pair in mapping.dictKeyValuePair()]


def _spans(element: Any) -> Iterator[tuple[int, int]]:
    """Yield where in the word text stands that must be quoted."""
    function, primitive = element.function(), element.primitive()
    if function is not None and function.ID().getText() in _functions():
        yield from _arguments(function)
        return
    if primitive is None:
        yield element.start.start, element.stop.stop + 1
        return
    tokens = [node.symbol for node in primitive.getChildren() if node.symbol.type != OverrideLexer.WS]
    if len(tokens) == 1 and tokens[0].type in _CHANGED:
        yield tokens[0].start, tokens[0].stop + 1


def _arguments(function: Any) -> Iterator[tuple[int, int]]:
    named = False
    if function.ID().getText() not in _OF_TEXT:
        return
    for part in function.getChildren():
        if isinstance(part, OverrideParser.ElementContext) and not named:
            yield from _spans(part)
        named = isinstance(part, OverrideParser.ArgNameContext)


@functools.cache
def _functions() -> frozenset[str]:
    return frozenset(create_functions().functions)
