"""Conversion of overrides as typed to Hydra's grammar: values of text fields are quoted.

Hydra's grammar reads ``dataset.target=2020`` as a number, and it rejects ``dataset.path=data (1).csv``. If the registry
declares that a key is a text, its value is taken literally. A value that Hydra already reads as a text is not changed,
so that the conversion is idempotent: a recorded override can be pasted again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from framework.base.fields import Field, text
from framework.config.settings import NAMED_SECTIONS, ROOT_SECTIONS, SECTIONS, STAGES
from framework.errors import InputError, short
from framework.registry.manager import current
from framework.runs.provenance import unquoted

FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
"""Hydra's keys that name a folder; a leading ``~`` is the home directory."""

STUDY = "study"
"""The config group of studies, and the beginning of their settings."""

MOST_VALUES = 10_000
"""Maximum number of values of a sweep function that are written out one by one."""

_TAG: Field = text("", help="any text")
_PATH: Field = text("", help="a folder")
_ROOT = {name: field for section in ROOT_SECTIONS for name, field in section.fields.items()}
_ROOT |= dict.fromkeys((*FOLDERS, "hydra.sweep.subdir"), _PATH)
_OVERRIDE = re.compile(r"(\+{0,2}([\w.$/-]+)=)(.*)", re.DOTALL | re.ASCII)
_KEY = re.compile(r"[\w$-]+([./][\w$-]+)*(@[\w.$:-]*)?", re.ASCII)
_QUOTED = re.compile(r"""\s*('(\\\\)*'|'.*?[^\\](\\\\)*'|"(\\\\)*"|".*?[^\\](\\\\)*")\s*(?=,|$)""", re.DOTALL)
_CHOICE = re.compile(r"(choice|shuffle)\s*\((.*)\)", re.DOTALL)
_STUDY = re.compile(r"\+{0,2}study(\.[\w./-]+)?=.*", re.DOTALL | re.ASCII)
_MAPPING = re.compile(r"\{(.*)\}", re.DOTALL)


def as_typed(words: Sequence[str], *, sweep: bool) -> list[str]:
    """Return overrides with the values of text fields quoted if Hydra would read them differently.

    Args:
        words: overrides from the command line or the Python API.
        sweep: whether commas and functions make a sweep (``-m``); in a single run a comma is part of the text.

    Raises:
        InputError: a word is not an override, a plugin is chosen by something other than its name, a folder's name is
            empty, or a sweep has a comma for a field that takes a list of texts.
    """
    for word in words:
        _refuse_odd(word)
    return [_rewritten(word, words, sweep) for word in words]


def as_written(words: Sequence[str]) -> list[str]:
    """Return overrides of a study as users write them: without the signs that `as_typed` puts before ``study``."""
    return [word.lstrip("+") if _STUDY.fullmatch(word) else word for word in words]


def field_of(key: str, words: Sequence[str]) -> Field | None:
    """Return the declared field that a dotted key sets; None if there is none, or the candidates differ in type.

    Args:
        key: a dotted key, such as ``"dataset.path"``.
        words: all overrides; ``dataset=NAME`` among them selects the data set's class.
    """
    section, _, name = key.partition(".")
    if key in _ROOT:
        return _ROOT[key]
    if section == "tags":
        return _TAG if name else None
    own = NAMED_SECTIONS.get(section)
    if own is not None:
        return own.fields.get(name)
    kind, candidates = section, chosen(section, words)
    if section == STAGES:
        stage, _, name = name.rpartition(".")
        kind, candidates = "stage", [stage]
    elif section not in SECTIONS:
        return None
    known = [
        entry.cls.fields
        for (of_kind, called), entry in current().entries.items()
        if of_kind == kind and (not candidates or called in candidates)
    ]
    declared = [fields[name] for fields in known if name in fields]
    return declared[0] if len({(field.kind, field.optional, field.choices) for field in declared}) == 1 else None


def chosen(section: str, words: Sequence[str]) -> list[str]:
    """Return the registered names that overrides choose for a section: both for ``optimizer=sgd,adam``."""
    parts = [word.lstrip("+").partition("=") for word in words]
    values = [value for key, _, value in parts if key == section]
    named = elements(_CHOICE.sub(r"\2", values[-1])) if values else []
    return [name for name in named if (section, name) in current().entries]


def _refuse_odd(word: str) -> None:
    """Raise InputError for a word that is invalid for every configuration.

    Raises:
        InputError: the word is invalid; the message has the spelling that was probably intended.
    """
    key, equals, value = word.lstrip("+~").partition("=")
    if not _KEY.fullmatch(key):
        raise InputError(f"{short(word)}: settings are KEY=VALUE, and {short(key)!r} is not a key")
    if not equals and not word.startswith("~"):
        raise InputError(f"{short(word)}: settings are KEY=VALUE, flags begin with -")
    section, _, name = key.partition(".")
    if section in SECTIONS and (name == "name" or (not name and word.startswith("+"))):
        raise InputError(f"{short(word)}: the {section} is chosen by {section}={value or 'NAME'}")
    override = parsed(value) if key in (*SECTIONS, STAGES) and not word.startswith("~") else None
    names = override.value() if override is not None else None
    if isinstance(names, dict) and "name" in names and key != STAGES:
        raise InputError(f"{short(word)}: the {key} is chosen by {key}={names['name']}")
    if isinstance(names, list) and not all(isinstance(item, str) for item in names):
        raise InputError(f"{short(word)}: {key} takes names, as in {key}=[NAME]")
    if isinstance(names, list) and len(names) > 1 and key != STAGES:
        raise InputError(
            f"{short(word)}: a run has one {key}: for one run per {key} write -m {key}={value.strip()[1:-1]}"
        )


def _rewritten(word: str, words: Sequence[str], sweep: bool) -> str:
    match = _OVERRIDE.fullmatch(word)
    if match is None:
        return word
    start, key, value = match[1], match[2], match[3].strip()
    if _STUDY.fullmatch(word):
        return _of_study(word, key, sweep=sweep)
    if key == "tags":
        return start + ",".join(map(_mapping, elements(value)))
    field = field_of(key, words)
    if field is None or field.kind not in ("text", "texts") or field.choices:
        return word
    if key in FOLDERS:
        if not unquoted(value):
            raise InputError(f"{word}: no folder is given; for the working folder write {start}.")
        value = _from_home(value)
    if not sweep:
        return start + _one(value, field)
    if field.kind == "texts" and _splits_a_list(value):
        raise InputError(
            f"{word}: with -m a comma separates runs, and {key} takes a list of names: "
            f"write '{start}[{value}]' for one list, '{start}[…],[…]' for one run per list"
        )
    return start + _swept(value, field)


def _of_study(word: str, key: str, *, sweep: bool) -> str:
    """Return a setting of a study with the sign that Hydra needs, because a single run's configuration has no study."""
    if not sweep:
        raise InputError(f"{word}: a study trains several runs: write compare before the settings, or add -m")
    sign = "+" if key == STUDY else "++"
    return f"{sign}{word.lstrip('+')}"


def _mapping(value: str) -> str:
    """Return a mapping ``{tag:value,…}`` with each of its values as a text; another value is returned unchanged."""
    found = _MAPPING.fullmatch(value)
    pairs = [item.partition(":") for item in elements(found[1])] if found else []
    if not pairs or not all(colon for _, colon, _ in pairs):
        return value
    return "{" + ",".join(f"{key.strip()}:{_one(text.strip(), _TAG)}" for key, _, text in pairs) + "}"


def _from_home(value: str) -> str:
    path = unquoted(value)
    return quoted(str(Path(path).expanduser())) if path.startswith("~") else value


def _splits_a_list(value: str) -> bool:
    items = elements(value)
    listed = [item.startswith("[") or item == "null" for item in items]
    override = parsed(value)
    return (
        len(items) > 1
        and not all(listed)
        and (override is None or override.value_type is ValueType.SIMPLE_CHOICE_SWEEP)
    )


def _swept(value: str, field: Field) -> str:
    """Return the right-hand side of a sweep override with each of its values as a text."""
    call = _CHOICE.fullmatch(value)
    if call:  # Hydra drops quotes inside a function but keeps them in a plain list
        inner = _swept(call[2], field)
        return inner if call[1] == "choice" else _enumerated(f"shuffle({inner})", field)
    override = parsed(value)
    if override is None or override.value_type in (ValueType.ELEMENT, ValueType.SIMPLE_CHOICE_SWEEP):
        return ",".join(_one(item, field) for item in elements(value))
    return _enumerated(value, field)


def _enumerated(value: str, field: Field) -> str:
    """Return the values of a sweep function, each as a text; the function itself for more than `MOST_VALUES`."""
    override = parsed(value)
    if override is None or override.value_type not in (ValueType.RANGE_SWEEP, ValueType.CHOICE_SWEEP):
        return value
    items = list(itertools.islice(override.sweep_string_iterator(), MOST_VALUES + 1))
    return ",".join(_one(item, field) for item in items) if 0 < len(items) <= MOST_VALUES else value


def _one(value: str, field: Field) -> str:
    """Return one value, quoted if necessary so that Hydra reads it as typed."""
    override = parsed(value)
    if override is not None and (override.value_type not in (ValueType.ELEMENT, ValueType.SIMPLE_CHOICE_SWEEP)):
        return value  # a sweep function: Hydra's error says that it needs -m
    element = override._value if override is not None and override.value_type is ValueType.ELEMENT else 0
    is_list = field.kind == "texts" and not isinstance(element, QuotedString) and "${" not in value
    if (isinstance(element, QuotedString | str) and not is_list) or (element is None and field.optional):
        return value
    if field.kind == "text":
        return quoted(value)
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    single = text("")
    return "[" + ",".join(_one(item, single) for item in elements(inner)) + "]"


def quoted(value: str) -> str:
    """Return a text in single quotes, escaped for Hydra's grammar."""
    return QuotedString(value, Quote.single).with_quotes()


def elements(value: str) -> list[str]:
    """Return the parts of a value, split at commas outside quotes and brackets."""
    return list(_elements(value)) if value.strip() else []


def _elements(value: str) -> Iterator[str]:
    at = 0
    while at <= len(value):
        match = _QUOTED.match(value, at)
        end = match.end() if match else _comma(value, at)
        yield value[at:end].strip()
        at = end + 1


def _comma(value: str, start: int) -> int:
    """Return the position of the next comma outside brackets, or the end; an unmatched bracket is a plain character."""
    commas = [at for at in range(start, len(value)) if value[at] == "," and value[at - 1] != "\\"]
    for at in [*commas, len(value)]:
        part = value[start:at]
        if all(part.count(left) <= part.count(right) for left, right in ("()", "[]", "{}")):
            return at
    return commas[0] if commas else len(value)


def parsed(value: str) -> Override | None:
    """Return the override that Hydra parses from a value, or None if the value is not in its grammar."""
    try:
        return OverridesParser.create().parse_override(f"key={value}")
    except (HydraException, ValueError):  # ValueError: an integer of thousands of digits
        return None
