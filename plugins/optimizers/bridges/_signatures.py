"""Signatures of other libraries' optimizers, read from their source because importing torch or JAX takes seconds."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from framework import Field, flag, hyper, integer, number, text

MISSING = object()
"""The default of an argument without a default, or whose default is not a plain value."""


@dataclass(frozen=True)
class Argument:
    """One argument of an optimizer, and its fields.

    A pair or triple has one field per number (``betas``: ``beta1``, ``beta2``). An argument that is neither number,
    flag nor text has no field and keeps its default.

    Attributes:
        name: its name.
        annotation: its type as written, or "".
        default: its default, or `MISSING`.
        required: whether it has no default.
    """

    name: str
    annotation: str
    default: Any
    required: bool = False

    def fields(self) -> dict[str, Field]:
        """Return the fields by name."""
        if isinstance(self.default, tuple):
            made = {part: _field(value, "float") for part, value in self._parts().items()}
        else:
            made = {self.name: _field(self.default, self.annotation)}
        return {name: field for name, field in made.items() if field is not None}

    def value(self, row: Mapping[str, Any]) -> Any:
        """Return the argument's value for one run's field values."""
        if isinstance(self.default, tuple):
            return tuple(row.get(part, value) for part, value in self._parts().items())
        return row[self.name]

    def _parts(self) -> dict[str, Any]:
        stem = self.name if self.name == "eps" else self.name.removesuffix("s")
        return {f"{stem}{place}": value for place, value in enumerate(self.default, start=1)}


@dataclass(frozen=True)
class Signature:
    """A function or class of another library, and its arguments."""

    name: str
    arguments: tuple[Argument, ...]

    def fields(self) -> dict[str, Field]:
        """Return the fields of all arguments by name."""
        return {name: field for argument in self.arguments for name, field in argument.fields().items()}

    def keywords(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the arguments that have fields, for one run's field values."""
        return {argument.name: argument.value(row) for argument in self.arguments if argument.fields()}


def _field(default: Any, annotation: str) -> Field | None:
    made: Any = None
    wants_float = "float" in annotation or "Schedule" in annotation
    if isinstance(default, bool):
        made = flag(default)
    elif isinstance(default, str):
        made = text(default)
    elif isinstance(default, int) and not wants_float:
        made = integer(default)
    elif isinstance(default, int | float):
        made = hyper(default)
    elif default is None and not re.search(r"\b(Any|Callable|DType\w*|\w*OrFn)\b", annotation):
        if re.search(r"\bstr\b", annotation):
            made = text(None)
        elif re.search(r"\bint\b", annotation):
            made = integer(None)
        elif wants_float or "ArrayLike" in annotation:
            made = number(None)
    return made


def package_folder(name: str) -> Path | None:
    """Return the folder of an installed package without importing it, or None if it is not installed."""
    spec = importlib.util.find_spec(name)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


@functools.cache
def functions(source: str) -> tuple[Signature, ...]:
    """Return the signature of each public top-level function of a module; cached per process."""
    lines = source.splitlines()
    return tuple(_signature(lines, at, source) for at in _starting(lines, "def ") if lines[at][4].islower())


@functools.cache
def classes(source: str) -> tuple[tuple[Signature, str, bool], ...]:
    """Return each public class's constructor, its base, and whether its ``step`` requires a closure; cached."""
    return tuple(_classes(source))


def _classes(source: str) -> Iterator[tuple[Signature, str, bool]]:
    lines = source.splitlines()
    starts = _starting(lines, "class ")
    for at, end in pairwise([*starts, len(lines)]):
        found = re.match(r"class ([A-Z]\w*)\((\w+)\)", lines[at])
        made = [place for place in range(at, end) if lines[place].startswith("    def __init__(")]
        if found and made:
            steps = [lines[place] for place in range(at, end) if lines[place].startswith("    def step(")]
            demanding = any(re.match(r"    def step\(self, closure\b(?!.*=)", line) for line in steps)
            arguments = _signature(lines, made[0], source).arguments
            yield Signature(found[1], arguments), found[2], demanding


def _starting(lines: list[str], word: str) -> list[int]:
    return [at for at, line in enumerate(lines) if line.startswith(word)]


def _signature(lines: list[str], at: int, source: str) -> Signature:
    """Return the signature of the ``def`` at line ``at``; only its header is parsed, which is fast.

    Raises:
        ValueError: no header begins at that line.
    """
    header = ""
    for line in lines[at:]:
        header += line + "\n"
        if line.split("#")[0].rstrip().endswith(":"):
            try:
                node: Any = ast.parse(re.sub(r"^ +", "", header) + "\n        pass").body[0]
                break
            except SyntaxError:
                continue
    else:
        raise ValueError(f"no function begins at line {at + 1}")
    named = node.args
    positional = named.args[-len(named.defaults) :] if named.defaults else []
    given = dict(zip([argument.arg for argument in positional], named.defaults, strict=True))
    given |= {a.arg: value for a, value in zip(named.kwonlyargs, named.kw_defaults, strict=True) if value is not None}
    return Signature(
        node.name,
        tuple(
            Argument(
                argument.arg,
                _written(argument.annotation),
                _plain(given[argument.arg], source) if argument.arg in given else MISSING,
                argument.arg not in given,
            )
            for argument in (*named.args, *named.kwonlyargs)
            if argument.arg != "self"
        ),
    )


def _written(annotation: ast.expr | None) -> str:
    if isinstance(annotation, ast.Name):
        return annotation.id
    return ast.unparse(annotation) if annotation else ""


class _Constants(ast.NodeTransformer):
    """Replace the names of a module's plain constants by their values."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Name(self, node: ast.Name) -> ast.AST:
        found = re.search(rf"^{node.id}\b[^=\n]*= *([^\n#]+)", self._source, re.MULTILINE)
        return ast.parse(found[1].strip(), mode="eval").body if found else node


def _plain(default: ast.expr, source: str) -> Any:
    if isinstance(default, ast.Constant):
        return default.value
    try:
        return ast.literal_eval(_Constants(source).visit(default))
    except (ValueError, SyntaxError):
        return MISSING
