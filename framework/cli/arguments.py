"""The command-line arguments of subcommands."""

from __future__ import annotations

import argparse
from typing import NoReturn

from framework.errors import InputError, nearest


class Arguments(argparse.ArgumentParser):
    """Reads a subcommand's arguments; a wrong one is one line, where argparse prints its usage block and exits.

    Args:
        command: the subcommand.
        description: what it does.
        example: words that are right, shown with each error.
        epilog: more for its ``--help``.
    """

    def __init__(self, command: str, description: str, example: str, epilog: str = "") -> None:
        super().__init__(prog=f"python -m framework {command}", description=description, epilog=epilog)
        self._command = command
        self._example = example

    def error(self, message: str) -> NoReturn:
        """Raise the error.

        Raises:
            InputError: always.
        """
        _, _, unknown = message.partition("unrecognized arguments: ")
        flag = unknown.split(" ")[0].partition("=")[0]
        hint = nearest(flag, self._option_string_actions) if flag.startswith("-") else ""
        raise InputError(f"{self._command}: {message}{hint.rstrip('?')}; for example: {self._example}")
