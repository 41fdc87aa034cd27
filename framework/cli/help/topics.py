"""The data of each help page: plain values only, so that ``--json`` prints them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROGRAM = "python -m framework"


@dataclass(frozen=True)
class Topic:
    """A help page."""


@dataclass(frozen=True)
class FieldHelp:
    """One field or setting.

    Attributes:
        name: as it is typed: ``optimizer.lr``; without the section for layers and metrics.
        type: ``number``, ``integer``, ``flag``, ``text``, ``integers``, or what a free setting takes.
        range: the accepted values in words.
        search: the interval a tuner looks in, with the spacing ``prior`` (``log``, ``log 1-x`` or ``linear``).
        per_run: runs that train together may differ in it.
        help: what it does, in one line.
    """

    name: str
    default: Any
    type: str
    range: str
    help: str
    search: tuple[float, float] | None = None
    prior: str | None = None
    per_run: bool = False


@dataclass(frozen=True)
class Name:
    """One line of a list: a name with its summary."""

    name: str
    summary: str


@dataclass(frozen=True)
class Family:
    """Names that share a prefix, such as ``blog/``."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Group(Topic):
    """All names of one kind, or of one family of a kind.

    Attributes:
        usage: how a name of the group is chosen, such as ``optimizer=NAME``.
    """

    group: str
    usage: str
    names: tuple[Name, ...]
    families: tuple[Family, ...] = ()

    @property
    def count(self) -> int:
        """How many names there are, families unfolded."""
        return len(self.names) + sum(len(family.names) for family in self.families)


@dataclass(frozen=True)
class Entry(Topic):
    """One registered name.

    Attributes:
        formula, notes, source, differs: parts of the class's docstring.
        absent: fields that users look for in vain, each with the reason.
        traits: what the class declares about itself, in words.
        provider: who registered it: plugin, door, distribution, version, file.
        examples: commands that use it.
    """

    kind: str
    name: str
    usage: str
    summary: str
    formula: str
    notes: tuple[str, ...]
    source: str
    differs: tuple[str, ...]
    fields: tuple[FieldHelp, ...]
    absent: Mapping[str, str]
    traits: tuple[str, ...]
    warning: str
    provider: Mapping[str, str]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class LayerRow:
    """A line of a model's table; shapes are of one sample."""

    layer: str
    output: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Samples:
    """What a data set gives, as far as it is known without a download.

    Attributes:
        train, validation, test: how many samples.
        input: shape of one sample.
        target: what is predicted.
        unknown: why the figures are missing, or "".
    """

    train: int = 0
    validation: int = 0
    test: int = 0
    input: tuple[int, ...] = ()
    target: str = ""
    unknown: str = ""


@dataclass(frozen=True)
class Problem(Topic):
    """A problem: data set, model, loss, batch size and budget.

    Attributes:
        parts: the chosen names by group.
        settings: what the problem sets beside them, by key.
        layers: the model's table; empty where the samples' shape is unknown.
    """

    name: str
    summary: str
    parts: Mapping[str, str]
    samples: Samples
    layers: tuple[LayerRow, ...]
    settings: Mapping[str, Any]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Model(Topic):
    """A model: its own settings and its layers.

    Attributes:
        layers: the list of layers as configured.
        example_of: the problem whose data set gives ``table`` its shapes.
        table: the layers with shapes and parameter counts; empty where the samples' shape is unknown.
        problems: the problems that use it.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    layers: tuple[Any, ...]
    example_of: str
    table: tuple[LayerRow, ...]
    problems: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Settings(Topic):
    """Settings that belong to no plugin: all of them, or one section.

    Attributes:
        sections: titles with their settings.
        note: what the default problem sets, for a single setting.
        examples: a command that sets one.
    """

    sections: Mapping[str, tuple[FieldHelp, ...]]
    note: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A field's default and ranges, with the names of a kind that share them."""

    field: FieldHelp
    names: tuple[str, ...]


@dataclass(frozen=True)
class SharedField(Topic):
    """A field of several names of one kind, such as ``optimizer.lr``."""

    name: str
    kind: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Ambiguous(Topic):
    """Several pages answer to one name.

    Attributes:
        choices: the words after ``help`` that lead to each page, with its summary.
    """

    name: str
    choices: tuple[Name, ...]


@dataclass(frozen=True)
class Command(Topic):
    """A subcommand."""

    name: str
    summary: str


@dataclass(frozen=True)
class Overview(Topic):
    """The first page.

    Attributes:
        examples: commands that work as typed, each with what it does.
        commands: the subcommands.
        groups: how many names each group has.
    """

    version: str
    examples: tuple[Name, ...]
    commands: tuple[Name, ...]
    groups: Mapping[str, int] = field(default_factory=dict)
