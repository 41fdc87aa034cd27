"""Render help pages as text, wrapped to `WIDTH` columns."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any

from framework.cli.help.topics import (
    PROGRAM,
    AmbiguousTopic,
    CommandTopic,
    EntryTopic,
    FieldHelp,
    GroupTopic,
    LayerRow,
    ModelTopic,
    Name,
    OverviewTopic,
    ProblemTopic,
    SampleCounts,
    SettingsTopic,
    SetTopic,
    SharedFieldTopic,
    Topic,
)

WIDTH = 100
LABEL = 10
"""Width in columns of the label before a paragraph."""


def text(topic: Topic) -> str:
    """Return a page as text that ends in a newline.

    Raises:
        TypeError: the type of page has no text form.
    """
    return "".join(f"{line.rstrip()}\n" for line in lines(topic))


@singledispatch
def lines(topic: Topic) -> Iterator[str]:
    """Yield the lines of a page; one implementation is registered per type of page.

    Raises:
        TypeError: no implementation is registered for this type.
    """
    raise TypeError(f"no text for {type(topic).__name__}")


@lines.register
def _(topic: OverviewTopic) -> Iterator[str]:
    yield f"framework {topic.version}: write an optimizer, compare it with all others, read the result in MLflow"
    yield ""
    yield from _names(topic.examples)
    yield ""
    yield f"Commands ({PROGRAM} COMMAND --help)"
    yield from _names(topic.commands)
    yield ""
    yield f"Names to choose from ({PROGRAM} help GROUP lists them, help GROUP NAME explains one)"
    cells = [f"help {group:<9} {count:>3}" for group, count in topic.groups.items()]
    for start in range(0, len(cells), 5):
        yield "  " + "  ".join(cells[start : start + 5])
    yield ""
    yield "Set values   optimizer.lr=0.01 epochs=5 and so on; help settings lists all settings and their ranges"
    yield "Plugins      --plugin my_rule.py; the guide is plugins/README.md. Hydra's own flags: --hydra-help"


@lines.register
def _(topic: GroupTopic) -> Iterator[str]:
    yield f"{topic.usage}: {topic.count} names ({PROGRAM} help {topic.group} NAME explains one)"
    yield ""
    folded = [
        Name(f"{family.name}/…", f"{len(family.names)} names: help {topic.group} {family.name}")
        for family in topic.families
    ]
    yield from _names([*topic.names, *folded], one_line=True)


@lines.register
def _(topic: EntryTopic) -> Iterator[str]:
    yield topic.usage
    yield from _wrapped(topic.summary)
    yield from _formula(topic.formula)
    for note in topic.notes:
        yield ""
        yield from note.splitlines() if "\n" in note else _wrapped(note)
    yield ""
    yield from _fields(topic.fields)
    yield ""
    yield from _labelled("warning", [topic.warning])
    yield from _labelled("not here", [f"{field}: {reason}" for field, reason in topic.absent.items()])
    yield from _labelled("traits", [", ".join(topic.traits)])
    yield from _labelled("source", [topic.source])
    yield from _labelled("differs", [part.removeprefix("Differs ") for part in topic.differs])
    yield from _labelled("plugin", [_provided(topic.provider)])
    yield from _labelled("try", topic.examples, wrap=False)


@lines.register
def _(topic: ProblemTopic) -> Iterator[str]:
    yield f"problem={topic.name}"
    yield from _wrapped(topic.summary)
    yield ""
    yield from _labelled("data set", [topic.parts["dataset"], *_samples(topic.samples)])
    yield from _labelled("loss", [topic.parts["loss"]])
    yield from _labelled("sets", ["   ".join(f"{key}={_value(held)}" for key, held in topic.settings.items())])
    yield from _labelled("target", [topic.target])
    yield from _labelled("source", [topic.source])
    others = {group: name for group, name in topic.parts.items() if group in ("optimizer", "schedule")}
    yield from _labelled("default", ["   ".join(f"{group}={name}" for group, name in others.items())])
    yield from _labelled("model", [topic.parts["model"]])
    yield from _table(topic.layers)
    yield ""
    yield from _labelled("try", topic.examples, wrap=False)


@lines.register
def _(topic: SetTopic) -> Iterator[str]:
    yield f"problem={topic.name}"
    yield from _wrapped(topic.summary)
    yield ""
    yield from _names(topic.problems, one_line=True)
    yield ""
    yield from _labelled("try", topic.examples, wrap=False)


@lines.register
def _(topic: ModelTopic) -> Iterator[str]:
    yield f"model={topic.name}"
    yield from _wrapped(topic.summary)
    yield ""
    yield from _labelled("settings", ["   ".join(f"{key}={_value(held)}" for key, held in topic.settings.items())])
    yield from _labelled("layers", [_value(layer) for layer in topic.layers])
    yield from _labelled("used by", ["   ".join(f"problem={name}" for name in topic.problems)])
    if topic.table:
        yield ""
        yield f"On problem={topic.example_of}"
        yield from _table(topic.table)
    yield ""
    yield from _labelled("try", topic.examples, wrap=False)


@lines.register
def _(topic: SettingsTopic) -> Iterator[str]:
    for number, (title, settings) in enumerate(topic.sections.items()):
        yield from [""] if number else []
        yield from _fields(settings, title.capitalize())
    yield from _wrapped(topic.note)
    if topic.examples:
        yield ""
        yield from _labelled("try", topic.examples, wrap=False)


@lines.register
def _(topic: SharedFieldTopic) -> Iterator[str]:
    usual = topic.variants[0].field.help
    total = sum(len(variant.names) for variant in topic.variants)
    yield f"{topic.name}: {usual or 'no help text'}; {total} {topic.kind} names, grouped by default and range"
    for variant in topic.variants:
        field = variant.field
        also = field.help if field.help != usual else ""
        facts = (f"default {_value(field.default)}", field.range, _searched(field), also)
        yield ""
        yield from _wrapped("; ".join(filter(None, facts)), indent="  ")
        yield from _wrapped(", ".join(_folded(variant.names)), indent="    ")


@lines.register
def _(topic: AmbiguousTopic) -> Iterator[str]:
    yield f"{topic.name} has several meanings:"
    yield from _names([Name(f"{PROGRAM} {choice.name}", choice.summary) for choice in topic.choices], one_line=True)


@lines.register
def _(topic: CommandTopic) -> Iterator[str]:
    yield f"{PROGRAM} {topic.name}: {topic.summary}; {PROGRAM} {topic.name} --help lists its options"


def _names(names: Sequence[Name], *, one_line: bool = False) -> Iterator[str]:
    """Yield one line per name with its summary; if ``one_line``, cut it to `WIDTH` columns."""
    width = max((len(name.name) for name in names), default=0)
    for name in names:
        line = f"  {name.name:<{width}}  {name.summary}"
        yield line[: WIDTH - 1] + "…" if one_line and len(line) > WIDTH else line


def _wrapped(paragraph: str, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        paragraph,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _labelled(label: str, paragraphs: Iterable[str], *, wrap: bool = True) -> Iterator[str]:
    """Yield the non-empty paragraphs, indented, with the label before the first; yield nothing if all are empty."""
    begin = f"{label:<{LABEL}}"
    for paragraph in filter(None, paragraphs):
        wrapped = list(_wrapped(paragraph, " " * LABEL)) if wrap else [" " * LABEL + paragraph]
        yield begin + wrapped[0][LABEL:]
        yield from wrapped[1:]
        begin = " " * LABEL


def _formula(formula: str) -> Iterator[str]:
    if formula:
        lead, _, block = formula.partition("\n")
        yield ""
        yield from _wrapped(lead)
        yield from block.splitlines()


def _fields(fields: Sequence[FieldHelp], title: str = "Fields") -> Iterator[str]:
    """Yield a table with a row per field: name, default, range, and help text with the range that a tuner searches."""
    if not fields:
        yield "No fields."
        return
    yield title
    rows = [(field.name, _value(field.default), field.range) for field in fields]
    widths = [min(max(len(row[column]) for row in rows), most) for column, most in enumerate((44, 22, 20))]
    for row, field in zip(rows, fields, strict=True):
        description = "; ".join(filter(None, (field.help, _searched(field))))
        yield from _row((*row, description), (*widths, WIDTH - sum(widths) - 2 * 4))


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [
        textwrap.wrap(cell, max(width, 10), break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for line in range(max(map(len, wrapped))):
        parts = (column[line] if line < len(column) else "" for column in wrapped)
        yield "".join(f"  {part:<{width}}" for part, width in zip(parts, widths, strict=True))


def _table(rows: Sequence[LayerRow]) -> Iterator[str]:
    listed = [
        (row.layer, " x ".join(map(str, row.output)), f"{row.parameters:,}" if row.parameters else "") for row in rows
    ]
    if listed:
        listed.append(("total", "", f"{sum(row.parameters for row in rows):,}"))
        widths = [max(len(row[column]) for row in listed) for column in range(3)]
        for name, output, parameters in listed:
            yield " " * LABEL + f"{name:<{widths[0]}}   {output:>{widths[1]}}   {parameters:>{widths[2]}}"


def _samples(samples: SampleCounts) -> Iterator[str]:
    if samples.unknown:
        yield f"sizes unknown: {samples.unknown}"
        return
    yield f"{samples.train:,} train, {samples.validation:,} validation, {samples.test:,} test"
    yield f"{' x '.join(map(str, samples.input))} -> {samples.target}"


def _searched(field: FieldHelp) -> str:
    if field.search is None:
        return ""
    low, high = field.search
    return f"tuned from {low:g} to {high:g}" + (f" ({field.prior})" if field.prior else "")


def _provided(provider: Mapping[str, str]) -> str:
    origin = " ".join(filter(None, (provider["distribution"], provider["version"]))) or provider["file"]
    return f"{provider['plugin']} ({provider['origin']}{f', {origin}' if origin else ''})"


def _value(held: Any) -> str:
    """Return a value in the syntax of the command line."""
    if isinstance(held, str):
        return held
    if isinstance(held, float):
        return f"{held:g}"
    if isinstance(held, Mapping):
        return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in held.items()) + "}"
    if isinstance(held, list | tuple):
        return f"[{','.join(map(_value, held))}]"
    return json.dumps(held)


def _folded(names: Sequence[str]) -> list[str]:
    """Return the names with each family folded into one entry with its number of names."""
    families = Counter(name.partition("/")[0] for name in names if "/" in name)
    return [*(name for name in names if "/" not in name), *(f"{name}/… ({n})" for name, n in families.items())]
