"""The command line's entry point: load plugins, then run a subcommand or Hydra."""

from __future__ import annotations

import errno
import gc
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from framework.cli.signals import EXIT_CODE
from framework.errors import FrameworkError, InputError, Interrupted, nearest, one_line, warn_all
from framework.registry import manager
from framework.system.addresses import without_password
from framework.tracking.client import start_early, stop_early

BAD_INPUT = 2
DISK = (errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.EACCES, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a disk that is full or cannot be written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    The exit code is 0, or 1 if a run failed, 2 for invalid input, and 130 if the command was interrupted.

    Args:
        arguments: the arguments after ``python -m framework``; default ``sys.argv[1:]``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if _records(words):
            start_early(_store(words))
        rest = _load_plugins(words)
        if rest and rest[0] in COMMANDS:
            _loaded()
            return COMMANDS[rest[0]].run(rest[1:])
        if {"--help", "-h"}.intersection(rest):
            return _help_of_chosen(rest)
        if rest and rest[0].isidentifier():
            raise InputError(f"{rest[0]}: there is no such command{nearest(rest[0], COMMANDS)}; settings are KEY=VALUE")
        return _hydra(rest)
    except InputError as error:
        return _complain(error, BAD_INPUT)
    except FrameworkError as error:
        return _complain(error, BAD_INPUT if isinstance(error, manager.PluginError) else 1)
    except KeyboardInterrupt as interrupt:
        warn_all(_notes(interrupt))
        return _complain(f"interrupted; the recorded data are kept{_continued(interrupt)}", EXIT_CODE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reading process has ended (… | head)
        return 1
    except OSError as error:
        if error.errno not in DISK:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        full = error.errno not in (errno.EACCES, errno.EROFS)
        remedy = "free some disk space" if full else "choose a folder that you may write to"
        return _complain(f"{where}{error.strerror}: {remedy}", 1)
    finally:
        stop_early()


def _loaded() -> None:
    """Let Python collect garbage again, except among the objects that there are now: modules and plugins."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _continued(interrupt: KeyboardInterrupt) -> str:
    return f"; {interrupt} continues" if isinstance(interrupt, Interrupted) else ""


def _notes(error: BaseException) -> Sequence[str]:
    """Return the lines that were added to an error, such as what was not delivered."""
    return getattr(error, "__notes__", ())


def _records(words: Sequence[str]) -> bool:
    """Return whether this is probably a command that records to MLflow, so that a writer should be started early."""
    quiet = {*COMMANDS, "tracking.enabled=false", "plan=true"}
    training_flags = ("-m", "--multirun", "--plugin", "--no-plugins", "--config-dir", "-cd")
    flags = [word.partition("=")[0] for word in words if word.startswith("-")]
    return not quiet.intersection(words) and all(flag in training_flags for flag in flags)


def _store(words: Sequence[str]) -> str | None:
    """Return the store's address if an argument sets it."""
    given = [word.partition("=")[2] for word in words if word.startswith("tracking.uri=")]
    return given[-1] if given else None


def _complain(error: object, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {without_password(one_line(error))}\n")
    return code


def _load_plugins(words: Sequence[str]) -> list[str]:
    """Load the plugins; return the arguments without the plugin flags.

    Raises:
        InputError: a plugin flag has no file, its path contains the path separator, or the file cannot be read.
        PluginError: as for `manager.load`.
    """
    rest: list[str] = []
    files: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--plugin":
            files.append(next(waiting, ""))
        elif word.startswith("--plugin="):
            files.append(word.partition("=")[2])
        elif word == "--no-plugins":
            os.environ["FRAMEWORK_NO_PLUGINS"] = "1"
        else:
            rest.append(word)
    if "" in files:
        raise InputError("--plugin needs a Python file: --plugin my_rule.py")
    apart = [name for name in files if os.pathsep in name]
    if apart:
        raise InputError(f"--plugin {apart[0]}: a plugin's path cannot contain {os.pathsep!r}: rename its folder")
    named = [name for name in os.environ.get("FRAMEWORK_PLUGINS", "").split(os.pathsep) if name]
    everything = dict.fromkeys(str(Path(name).resolve()) for name in [*named, *files])
    os.environ["FRAMEWORK_PLUGINS"] = os.pathsep.join(everything)  # worker processes load the same files
    manager.install(manager.load())
    return rest


def _plugins(words: Sequence[str]) -> int:
    from framework.cli.plugins import main as list_plugins

    return list_plugins(words)


def _ui(words: Sequence[str]) -> int:
    from framework.cli.ui import main as open_ui

    return open_ui(words)


def _sync(words: Sequence[str]) -> int:
    from framework.cli.sync import main as deliver

    return deliver(words)


def _compare(words: Sequence[str]) -> int:
    from framework.cli.compare import main as compare

    return compare(words, _hydra)


def _report(words: Sequence[str]) -> int:
    from framework.cli.report import main as report

    return report(words)


def _resume(words: Sequence[str]) -> int:
    from framework.cli.resume import main as resume

    return resume(words, _hydra)


def _doctor(words: Sequence[str]) -> int:
    from framework.cli.doctor import main as heal

    return heal(words)


def _check(words: Sequence[str]) -> int:
    from framework.cli.check import main as check

    return check(words)


def _new_plugin(words: Sequence[str]) -> int:
    from framework.cli.new_plugin import main as write

    return write(words)


def _help(words: Sequence[str]) -> int:
    from framework.cli.help.command import main as explain

    if words == ["study"]:
        return _compare(["--help"])
    if len(words) == 1 and words[0] in COMMANDS:
        return COMMANDS[words[0]].run(["--help"])
    return explain(words, _summaries())


def _help_of_chosen(words: Sequence[str]) -> int:
    from framework.cli.help.command import help_of_chosen

    return help_of_chosen(words, _summaries())


def _summaries() -> dict[str, str]:
    return {name: command.summary for name, command in COMMANDS.items()}


class Command(NamedTuple):
    """A subcommand.

    Attributes:
        summary: a description in a few words.
        run: function of the arguments after the subcommand's name; it returns the exit code.
    """

    summary: str
    run: Callable[[Sequence[str]], int]


COMMANDS = {
    "compare": Command("tune optimizers equally, rerun them on other seeds, test the differences", _compare),
    "help": Command("explain a group, a name or a setting; --json prints JSON", _help),
    "plugins": Command("list plugins, their origin and those that failed to load", _plugins),
    "check": Command("test a plugin or a problem: a kind and a name, or a file such as my_rule.py", _check),
    "new-plugin": Command("write a pip-installable package with one rule and a test", _new_plugin),
    "report": Command("make the report of a sweep or a study again", _report),
    "resume": Command("continue a run or a sweep that was interrupted", _resume),
    "doctor": Command("close and deliver runs and sweeps whose process is gone", _doctor),
    "sync": Command("deliver journals that MLflow does not have yet", _sync),
    "ui": Command("open MLflow's UI on the store of the runs", _ui),
}


def _hydra(words: Sequence[str]) -> int:
    """Run the Hydra command line: compose the configuration, and train or show it.

    Raises:
        InputError: an argument or the configuration is invalid.
    """
    from framework.hydra_app import session
    from framework.hydra_app.composed import register_resolvers, reveal_hydra_plugins
    from framework.runs.provenance import FLAGS

    reveal_hydra_plugins()
    register_resolvers()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # makes Hydra raise errors instead of printing them and exiting
    os.environ[FLAGS] = shlex.join(_kept_flags(words))  # worker processes record it in their runs' commands
    _loaded()
    session.main(words)
    return 0


def _kept_flags(words: Sequence[str]) -> list[str]:
    """Return the flags that a run's recorded command needs: config folders and names, and ``--no-plugins``."""
    kept = ["--no-plugins"] if os.environ.get("FRAMEWORK_NO_PLUGINS") == "1" else []
    folders = {"--config-dir", "-cd", "--config-path", "-cp"}
    waiting = iter(words)
    for word in waiting:
        flag, joined, value = word.partition("=")
        if flag in {*folders, "--config-name", "-cn"} and flag.startswith("-"):
            value = value if joined else next(waiting, "")
            kept += [flag, str(Path(value).resolve()) if flag in folders else value]
    return kept
