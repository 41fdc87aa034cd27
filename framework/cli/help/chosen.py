"""Map the overrides of a command line to ``help`` queries on the names they choose and the settings they set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from framework.cli.help.lookup import Lookup, group_of

NAME = re.compile(r"[\w/]+(?![\w/(])")
"""A name in an override's value. Function names do not match, such as ``choice`` in ``choice(sgd,adam)``."""


def explained(words: Sequence[str], lookup: Lookup) -> list[tuple[str, ...]]:
    """Return the words of a ``help`` query for each override, without duplicates.

    Args:
        words: the command line; words that are not overrides are ignored.
        lookup: the lookup of registered names.

    Raises:
        InputError: a chosen problem does not exist.
    """
    overrides = [word.lstrip("+") for word in words if "=" in word and not word.startswith(("-", "~", "hydra"))]
    pairs = [(key, value) for key, _, value in (override.partition("=") for override in overrides)]
    groups = {group_of(key) for key, _ in pairs}
    queries: dict[tuple[str, ...], None] = {}
    for key, value in pairs:
        section, dot, field = key.partition(".")
        group = group_of(section)
        if group is None:
            queries[(section if section == "tags" else key),] = None
        elif not dot:
            queries |= dict.fromkeys((group, name) for name in _names(group, value, lookup))
        elif group not in groups:
            queries[group, field.partition(".")[0] if group == "stage" else _default(group, pairs, lookup)] = None
    return list(queries)


def _names(group: str, value: str, lookup: Lookup) -> Iterator[str]:
    """Yield the names in a value such as ``sgd,adam``, ``[clip_norm]`` or ``[{metric: top_k, k: 3}]``."""
    others_too = ":" in value or value == "null"
    known = lookup.names(group) if others_too else []
    yield from (name for name in NAME.findall(value) if not others_too or name in known)


def _default(group: str, pairs: Sequence[tuple[str, str]], lookup: Lookup) -> str:
    """Return a group's option if the command line chooses none: that of the chosen problem, otherwise the default."""
    problem = next((value for key, value in pairs if key == "problem" and "," not in value), None)
    parts = lookup.presets.problem(problem).parts if problem else lookup.presets.defaults()
    return str(parts[group])
