"""The data of each help page, as plain values that ``--json`` prints unchanged."""

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
        name: the key that users type, such as ``optimizer.lr``; without the section for layers and metrics.
        default: the default value.
        type: ``number``, ``integer``, ``flag``, ``text``, ``integers``, ``numbers``, ``texts``, ``collection``
            or ``choice``.
        range: the accepted values in words.
        help: description in one line.
        search: bounds of the interval that a tuner searches, or None.
        prior: spacing of the search: ``log``, ``log 1-x``, ``linear`` or None.
        per_run: whether runs that train together may have different values.
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
    """One line of a list: a name and its summary."""

    name: str
    summary: str


@dataclass(frozen=True)
class Family:
    """Names that share a prefix, such as ``blog/``."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class GroupTopic(Topic):
    """All names of one kind, or of one family of a kind.

    Attributes:
        group: the kind.
        usage: override that chooses a name of the group, such as ``optimizer=NAME``.
        names: the names outside families, or those of one family.
        families: the families of the kind; empty on the page of one family.
    """

    group: str
    usage: str
    names: tuple[Name, ...]
    families: tuple[Family, ...] = ()

    @property
    def count(self) -> int:
        """The number of names, including those in families."""
        return len(self.names) + sum(len(family.names) for family in self.families)


@dataclass(frozen=True)
class EntryTopic(Topic):
    """One registered name.

    Attributes:
        usage: override that chooses the name, such as ``optimizer=adam``.
        summary, formula, notes, source, differs: parts of the class's docstring.
        fields: the fields of the class.
        absent: fields that users may expect but the class does not have, each with the reason.
        traits: properties that the class declares, in words.
        warning: the class's warning, or "".
        provider: origin of the registration: plugin, origin (its kind), distribution, version and file.
        examples: commands that use the name.
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
    """A row of a model's table.

    Attributes:
        layer: name of the layer.
        output: shape of its output for one sample.
        parameters: its number of parameters.
    """

    layer: str
    output: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class SampleCounts:
    """Sizes of a data set, as far as they are known without a download.

    Attributes:
        train, validation, test: number of samples in each part.
        input: shape of one sample.
        target: the predicted quantity in words, such as ``10 classes``.
        unknown: reason why the sizes are missing, or "".
    """

    train: int = 0
    validation: int = 0
    test: int = 0
    input: tuple[int, ...] = ()
    target: str = ""
    unknown: str = ""


@dataclass(frozen=True)
class ProblemTopic(Topic):
    """A problem: data set, model, loss, batch size and budget.

    Attributes:
        parts: the chosen names by group.
        samples: sizes of the data set.
        layers: the model's table; empty if the shape of a sample is unknown.
        settings: the other settings of the problem, by key.
        source: where the problem comes from, or "".
        target: the target with its source, or "".
        examples: commands that use the problem.
    """

    name: str
    summary: str
    source: str
    target: str
    parts: Mapping[str, str]
    samples: SampleCounts
    layers: tuple[LayerRow, ...]
    settings: Mapping[str, Any]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SetTopic(Topic):
    """A set of problems.

    Attributes:
        problems: the problems, with their summaries.
        examples: commands that use the set.
    """

    name: str
    summary: str
    problems: tuple[Name, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ModelTopic(Topic):
    """A model: its own settings and its layers.

    Attributes:
        settings: the model's settings except its layers, by key.
        layers: the list of layers as configured.
        example_of: the problem whose data set determines the shapes in ``table``.
        table: the layers with shapes and parameter counts; empty if the shape of a sample is unknown.
        problems: the problems that use the model.
        examples: commands that use the model.
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
class SettingsTopic(Topic):
    """Settings that belong to no plugin: all of them, or one section.

    Attributes:
        sections: settings by the title of their section.
        note: for a single setting, the value that the default problem gives it; or "".
        examples: a command that sets one of them; empty on the page of all settings.
    """

    sections: Mapping[str, tuple[FieldHelp, ...]]
    note: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A field's default and range, with the names that share them."""

    field: FieldHelp
    names: tuple[str, ...]


@dataclass(frozen=True)
class SharedFieldTopic(Topic):
    """A field that names of one kind have, such as ``optimizer.lr``.

    Attributes:
        name: the key that users type.
        kind: the kind.
        variants: the distinct defaults and ranges of the field.
    """

    name: str
    kind: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class AmbiguousTopic(Topic):
    """A list of the pages that one word may mean.

    Attributes:
        name: the word.
        choices: the unambiguous words for each page, such as ``help optimizer adam``, with its summary.
    """

    name: str
    choices: tuple[Name, ...]


@dataclass(frozen=True)
class CommandTopic(Topic):
    """A subcommand."""

    name: str
    summary: str


@dataclass(frozen=True)
class OverviewTopic(Topic):
    """The overview page.

    Attributes:
        version: version of the framework.
        examples: commands that work as typed, each with a summary.
        commands: the subcommands with their summaries.
        groups: the number of names in each group.
    """

    version: str
    examples: tuple[Name, ...]
    commands: tuple[Name, ...]
    groups: Mapping[str, int] = field(default_factory=dict)
