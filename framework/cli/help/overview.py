"""The overview page: example commands, subcommands and groups."""

from __future__ import annotations

from framework import __version__
from framework.cli.help.lookup import GROUPS, Lookup
from framework.cli.help.topics import PROGRAM, Name, OverviewTopic

EXAMPLES = (
    Name("optimizer=adam", "one run"),
    Name("-m optimizer=sgd,adam optimizer.lr=0.01,0.1 seed=0,1", "a sweep of 8 runs"),
    Name("compare optimizer=sgd,adam", "tune both, and compare"),
)
"""Arguments of commands that work as typed, each with a summary."""


def overview_page(lookup: Lookup) -> OverviewTopic:
    """Return the overview page."""
    return OverviewTopic(
        version=__version__,
        examples=tuple(Name(f"{PROGRAM} {example.name}", example.summary) for example in EXAMPLES),
        commands=tuple(Name(name, summary) for name, summary in lookup.commands.items()),
        groups={group: len(lookup.names(group)) for group in GROUPS},
    )
