"""Calls of functions in a new process, for checks of results that must not depend on the process.

One process serves all calls of a command. It has another hash seed, and it loads the plugins of this process's
registry. Arrays travel in the file format of checkpoints.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from framework.checkpoint.file import load, save
from framework.checks.results import Broken, Skip
from framework.errors import InputError, format_error
from framework.registry import manager
from framework.training.state import RunState

Arrays = Mapping[str, np.ndarray]
Function = Callable[[type, Mapping[str, Any], Arrays], Arrays]
"""A function of a module: of a plugin's class, plain data and arrays."""

HASH_SEEDS = ("1", "2")
"""Seeds of Python's hashes in the new process: the first that this process was not started with."""

START = "import json, sys; path, files = json.loads(sys.argv[1]); sys.path[:] = path; \
from framework.checks.new_process import serve; serve(files)"

_IDENTITY = "check"


def in_new_process(function: Function, cls: type, given: Mapping[str, Any], arrays: Arrays) -> Arrays:
    """Return ``function(cls, given, arrays)``, as another process computes it.

    Args:
        function: a function of a module of this project.
        cls: a plugin's class; the other process loads it by itself.
        given: plain data.
        arrays: arrays by name.

    Raises:
        Skip: the other process cannot load the class.
        InputError: the function raised it.
        Broken: the function raised another exception, or ended the process.
    """
    request = {"cls": _address(cls), "function": [function.__module__, function.__qualname__], "given": given}
    with TemporaryDirectory() as name:
        save(Path(name), _IDENTITY, RunState(0, 0, "", arrays, {}))
        raised, message = _process().ask({**request, "folder": name})
        if not raised:
            return _arrays(Path(name))
    if raised == "address":
        raise Skip(f"a new process cannot load the class: {message}")
    raise InputError(message) if raised == "input" else Broken(f"in a new process: {message}")


def _address(cls: type) -> list[str]:
    """Return how another process finds a class: kind and name in its registry, or module and qualified name.

    Raises:
        Skip: it cannot find the class.
    """
    for (kind, name), entry in manager.current().entries.items():
        if entry.cls is cls and entry.provider.origin != "inline":
            return ["registered", kind, name]
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise Skip("the class is defined in a notebook, a script or a function: a new process cannot load it")
    return ["imported", cls.__module__, cls.__qualname__]


def _found(how: str, place: str, name: str) -> Any:
    if how == "registered":
        return manager.find(place, name).cls
    return reduce(getattr, name.split("."), importlib.import_module(place))


def _arrays(folder: Path) -> Arrays:
    state = load(folder, _IDENTITY)
    return {} if state is None else state.arrays


class _Process:
    """The other process.

    Args:
        files: the plugin files that it loads.
    """

    def __init__(self, files: list[str]) -> None:
        seed = next(seed for seed in HASH_SEEDS if seed != os.environ.get("PYTHONHASHSEED"))
        self._popen = subprocess.Popen(  # noqa: S603 - our own function
            [sys.executable, "-c", START, json.dumps([sys.path, files])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": seed},
            text=True,
        )

    def ask(self, request: Mapping[str, Any]) -> tuple[str, str]:
        """Return the kind of error that a call raised, "" for none, and its message."""
        writing, reading = self._pipes()
        try:
            writing.write(json.dumps(request) + "\n")
            writing.flush()
            answer = reading.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            code = self._popen.wait()
            _forget()
            return "broken", f"it ended with exit code {code}"
        raised, message = json.loads(answer)
        return raised, message

    def close(self) -> None:
        """End the process."""
        for pipe in self._pipes():
            with suppress(BrokenPipeError):  # the process has died before it read the request
                pipe.close()
        self._popen.wait()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        return cast("IO[str]", self._popen.stdin), cast("IO[str]", self._popen.stdout)


_running: tuple[object, _Process] | None = None


def _process() -> _Process:
    """Return the process; start it at the first call and after a change of the plugins."""
    global _running
    files = {str(each.path): each.source for each in manager.current().providers if each.path and each.status == "ok"}
    loaded = files, list(sys.path), {name: os.environ.get(name) for name in manager.VARIABLES}
    if _running is not None and _running[0] != loaded:
        _forget()
    if _running is None:
        _running = loaded, _Process(list(files))
    return _running[1]


@atexit.register
def _forget() -> None:
    global _running
    if _running is not None:
        _running[1].close()
    _running = None


def serve(files: list[str]) -> None:
    """Answer requests of `in_new_process` from the standard input until it ends.

    Args:
        files: the plugin files to load.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a plugin's output is no answer
    manager.install(manager.load(files))
    with threadpool_limits(1, user_api="blas"):
        for line in sys.stdin:
            answers.write(json.dumps(_answer(json.loads(line))) + "\n")
            answers.flush()


def _answer(request: Mapping[str, Any]) -> tuple[str, str]:
    folder = Path(request["folder"])
    try:
        cls = _found(*request["cls"])
    except Exception as error:  # noqa: BLE001 - a plugin's module may raise anything when it is imported
        return "address", format_error(error)
    try:
        function = _found("imported", *request["function"])
        save(folder, _IDENTITY, RunState(0, 0, "", function(cls, request["given"], _arrays(folder)), {}))
    except InputError as error:
        return "input", format_error(error)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return "broken", format_error(error)
    return "", ""
