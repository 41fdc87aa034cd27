"""The command-line arguments of subcommands."""

from __future__ import annotations

import argparse
from typing import NoReturn

from framework.errors import InputError, nearest


class Arguments(argparse.ArgumentParser):
    """Parses a subcommand's arguments; an error is one line, unlike argparse's usage block and exit.

    Args:
        command: the subcommand's name.
        description: the description for its ``--help``.
        example: valid arguments, shown with each error.
        epilog: further text for its ``--help``.
    """

    def __init__(self, command: str, description: str, example: str, epilog: str = "") -> None:
        super().__init__(prog=f"python -m framework {command}", description=description, epilog=epilog)
        self._command = command
        self._example = example

    def error(self, message: str) -> NoReturn:
        """Raise InputError with the message, the nearest flag and the example.

        Raises:
            InputError: always.
        """
        _, _, unknown = message.partition("unrecognized arguments: ")
        flag = unknown.split(" ")[0].partition("=")[0]
        hint = nearest(flag, self._option_string_actions) if flag.startswith("-") else ""
        raise InputError(f"{self._command}: {message}{hint.rstrip('?')}; for example: {self._example}")
