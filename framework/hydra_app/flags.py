"""Parsing of Hydra's command line before Hydra does: flags and overrides in any order, errors in one line."""

from __future__ import annotations

import io
import itertools
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path

from hydra._internal.utils import get_args_parser

from framework.errors import InputError, nearest
from framework.hydra_app.words import as_typed

FOLDER_FLAGS = ("--config-dir", "-cd", "--config-path", "-cp")
"""Flags whose value is a folder of configurations."""


def read(words: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Return the parsed command line, whose overrides have quoted texts (`as_typed`), and the flags with their values.

    Args:
        words: the arguments of the command.

    Raises:
        InputError: a flag that Hydra does not have or that is not supported, or flags that exclude one another.
    """
    flags = list(_settled(words))
    arguments = _read(flags)
    for override in arguments.overrides:
        flags.remove(override)
    if arguments.experimental_rerun is not None:
        raise InputError("--experimental-rerun reads a pickle, which may run any code: pass the settings again")
    given = {
        "--cfg": arguments.cfg,
        "--info": arguments.info,
        "--multirun": arguments.multirun or None,
        "--run": arguments.run or None,
    }
    modes = [flag for flag, value in given.items() if value is not None]
    if len(modes) > 1:
        raise InputError(f"{modes[0]} and {modes[1]} exclude each other: remove one")
    if arguments.package is not None and arguments.cfg is None:
        raise InputError("--package needs --cfg: add --cfg job, or remove --package")
    if arguments.resolve and arguments.cfg is None and not arguments.help:
        raise InputError("--resolve needs --cfg or --help: add --cfg job, or remove --resolve")
    if not arguments.shell_completion:
        mode = [
            word.partition("=")[2].upper() for word in arguments.overrides if word.lstrip("+").startswith("hydra.mode=")
        ]
        arguments.overrides = as_typed(arguments.overrides, sweep=arguments.multirun or mode[-1:] == ["MULTIRUN"])
    return arguments, flags


def _settled(words: Sequence[str]) -> Iterator[str]:
    """Yield the words with absolute config folders, and with ``--info=all`` for an ``--info`` before an override."""
    waiting = itertools.zip_longest(words, words[1:], fillvalue="")
    for word, following in waiting:
        flag, joined, value = word.partition("=")
        if word in FOLDER_FLAGS and following:
            yield from (word, _absolute(following))
            next(waiting)
        elif flag in FOLDER_FLAGS and joined:
            yield f"{flag}={_absolute(value)}"
        else:  # --info would take the next word as its value
            yield "--info=all" if word in ("--info", "-i") and "=" in following else word


def _absolute(folder: str) -> str:
    return folder if "://" in folder else str(Path(folder).expanduser().absolute())


def _read(words: Sequence[str]) -> Namespace:
    output = io.StringIO()
    try:
        with redirect_stderr(output):
            return get_args_parser().parse_intermixed_args(list(words))
    except SystemExit as ended:
        if not ended.code:  # --version
            raise
    reason = output.getvalue().strip().rpartition("error: ")[2]
    unknown = reason.removeprefix("unrecognized arguments: ")
    if unknown == reason:
        raise InputError(f"{reason}; --hydra-help lists the flags")
    known = [flag for action in get_args_parser()._actions for flag in action.option_strings if flag[:2] == "--"]
    raise InputError(f"{unknown}: there is no such flag{nearest(unknown, [*known, '--plugin', '--no-plugins'])}")
