"""``python -m framework help`` and ``--help``: choose the pages and print them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from framework.cli.arguments import Arguments
from framework.cli.help.chosen import explained
from framework.cli.help.lookup import Lookup
from framework.cli.help.overview import overview_page
from framework.cli.help.presets import Presets
from framework.cli.help.text import text
from framework.cli.help.topics import Topic
from framework.registry.manager import current
from framework.system.terminal import printable

FLAGS = ("--help", "-h")
FOLDERS = ("--config-dir", "-cd")


def main(words: Sequence[str], commands: Mapping[str, str]) -> int:
    """Print the pages for ``words``, or the overview page if ``words`` is empty; return 0.

    Args:
        words: the arguments after ``help``.
        commands: subcommands with their summaries.

    Raises:
        InputError: a word has no page, or a ``--config-dir`` folder does not exist.
    """
    parser = Arguments(
        "help",
        "Explain a group (optimizer), a name (adam), a setting (epochs, optimizer.lr) or all settings.",
        example="help optimizer, help adam, or help settings",
    )
    parser.add_argument("words", nargs="*", metavar="GROUP | GROUP NAME… | NAME | SETTING | settings")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(*FOLDERS, action="append", default=[], help="a folder with your own problems and models")
    asked = parser.parse_args(list(words))
    lookup = Lookup(current(), Presets.of(asked.config_dir), commands)
    topics = lookup.pages(asked.words) if asked.words else [overview_page(lookup)]
    _print(topics, as_json=asked.json)
    return 0


def help_of_chosen(words: Sequence[str], commands: Mapping[str, str]) -> int:
    """Print the pages of the names and settings in a command line's overrides; return 0.

    Print the overview page if there are none.

    Args:
        words: the command line.
        commands: subcommands with their summaries.

    Raises:
        InputError: a chosen name, a setting or a ``--config-dir`` folder does not exist.
    """
    folders = [folder for flag, folder in pairwise(words) if flag in FOLDERS]
    folders += [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
    lookup = Lookup(current(), Presets.of(folders), commands)
    topics = [page for asked in explained(words, lookup) for page in lookup.pages(asked)]
    _print(topics or [overview_page(lookup)])
    return 0


def _print(topics: Sequence[Topic], *, as_json: bool = False) -> None:
    if as_json:
        data = [_data(topic) for topic in topics]
        sys.stdout.write(json.dumps(data[0] if len(data) == 1 else data, indent=1) + "\n")
    else:
        written = "\n".join(text(topic) for topic in topics)
        sys.stdout.write(printable(written, sys.stdout))  # authors' names may have characters outside its encoding


def _data(topic: Topic) -> dict[str, Any]:
    return {"page": type(topic).__name__.removesuffix("Topic").lower(), **asdict(topic)}
