"""The folder of a run or a sweep.

A folder is refused if a file in it would be overwritten. It is left unchanged if the run does not begin.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.errors import InputError, Interrupted, short
from framework.runs import yaml_text
from framework.runs.cursor import FILE as MARK
from framework.runs.journal import FILE as JOURNAL
from framework.runs.journal import Entry, last_entry, read_journal
from framework.system.addresses import masked_config

HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
RUN_FILES = ("overrides.yaml", "environment.txt", "curves.png", "model", "checkpoint.npz", MARK)
LONGEST_FILE = 80
"""Bytes of a path that are reserved for the longest name of a file below a run's folder."""
ANOTHER = "choose another folder, or remove that one"


def refuse_another(folder: Path, config: RunConfig, begun: Sequence[Entry], *, resume: bool = False) -> None:
    """Raise `InputError` if the folder holds a run that has ended or has another configuration.

    Args:
        folder: folder of the run.
        config: its checked configuration.
        begun: the entries of the journal in the folder; a journal without an end is continued.
        resume: whether a journal that ended without success may be continued too.

    Raises:
        InputError: the folder holds another run; nothing was written.
    """
    over = bool(begun) and begun[-1].kind == "end" and not (resume and begun[-1].content["status"] != "FINISHED")
    forced = resume and config.section(Display).force
    if begun and (over or not (forced or same_run(begun, config))):
        raise InputError(f"{folder} holds another run: {ANOTHER}")


def refuse_used_run(folder: Path, config: RunConfig, unresolved: Mapping[str, Any], subdir: str | None = None) -> None:
    """Raise `InputError` if the run would overwrite a file in the folder.

    A run that was killed may be started again in its own folder, because its files have the same content; with
    ``resume=true`` also one that failed or was interrupted.

    Args:
        folder: folder of the run.
        config: its checked configuration.
        unresolved: the configuration as Hydra stores it.
        subdir: subfolder of Hydra's own files, or None.

    Raises:
        InputError: the folder holds another run or other files of the same names; nothing was written.
    """
    if not _stands(folder):
        return
    begun = begun_in(folder)
    refuse_another(folder, config, begun, resume=config.section(Display).resume)
    if begun:
        return
    hydra = folder / subdir if subdir else None
    if hydra is not None and not _says(hydra / "config.yaml", masked_config(unresolved)):
        refuse_files(hydra, HYDRA_FILES)
    if not _says(folder / "config.yaml", config.as_data()):
        refuse_files(folder, ("config.yaml", *RUN_FILES))
    for name, content in config.plugin_sources.items():
        if not ((folder / name).is_file() and (folder / name).read_bytes() == content):
            refuse_files(folder, (name,))


@contextmanager
def cleared_if_refused(folder: Path, files: Sequence[str]) -> Iterator[None]:
    """Remove what was made inside a ``with`` block if an invalid input or a full disk ends it before the run begins.

    Only folders that did not exist before and are empty again are removed, including those above ``folder``.

    Args:
        folder: folder of the run.
        files: relative paths of files that may be written to it before the run begins.

    Raises:
        InputError, OSError: as raised inside the block.
    """
    new = [folder / name for name in files if not _stands(folder / name)]
    missing = _missing([*(file.parent for file in new), folder])
    try:
        yield
    except (InputError, OSError):
        if not _stands(folder / JOURNAL):
            for file in new:
                if _stands(file):
                    file.unlink()
            _remove_empty(missing)
        raise


def make(folder: Path, key: str) -> None:
    """Create a folder and its parents.

    Args:
        folder: the folder.
        key: name of the setting that chose it, for the message.

    Raises:
        InputError: the folder cannot be created.
    """
    refuse_unusable([folder], key)
    missing = _missing([folder])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise _unusable(folder, key, error.strerror or str(error)) from error


def refuse_unusable(folders: Iterable[Path], key: str) -> None:
    """Raise `InputError` if one of the folders could not be created or written to; create none.

    Args:
        folders: the folders.
        key: name of the setting that chose them, for the message.

    Raises:
        InputError: a name or path is too long, a file has the name of a folder, or a folder is read-only.
    """
    for folder in folders:
        above = next(path for path in (folder, *folder.parents) if _stands(path))
        if not above.is_dir():
            raise _unusable(folder, key, f"{above} is not a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise _unusable(folder, key, f"{above} is not writable")
        if hasattr(os, "pathconf"):
            size = len(os.fsencode(folder)) + LONGEST_FILE
            longest = max((len(os.fsencode(name)) for name in folder.parts[len(above.parts) :]), default=0)
            if longest > os.pathconf(above, "PC_NAME_MAX") or size > os.pathconf(above, "PC_PATH_MAX"):
                raise _unusable(folder, key, "the name is too long")


def _unusable(folder: Path, key: str, reason: str) -> InputError:
    return InputError(f"{key}={short(folder, 160)}: this folder cannot be created ({reason}); choose another")


def _stands(path: Path) -> bool:
    """Return whether ``path`` exists, a broken link included; False for an invalid path."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _missing(folders: Sequence[Path]) -> list[Path]:
    """Return those of the folders and of their parents that do not exist, the deepest first."""
    above = {path for folder in folders for path in (folder, *folder.parents)}
    return sorted((path for path in above if not _stands(path)), key=lambda path: -len(path.parts))


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it was not created, or it has other files
            folder.rmdir()


def begun_in(folder: Path) -> list[Entry]:
    """Return the entries of the journal in a folder, or an empty list if there is no journal."""
    return read_journal(folder) if _stands(folder / JOURNAL) else []


def same_run(begun: Sequence[Entry], config: RunConfig) -> bool:
    """Return whether the entries of a journal are those of a run with this checked configuration."""
    return bool(begun) and recorded_identity(begun) == config.identity


def recorded_identity(begun: Sequence[Entry]) -> str:
    """Return the identity of the run in a journal; a change that was accepted with ``--force`` changes it."""
    changed = [entry.content["values"] for entry in begun if entry.kind == "tags"]
    tags = [values for values in changed if "config_hash" in values] or [begun[0].content.get("tags", {})]
    return str(tags[-1].get("config_hash"))


def _says(path: Path, content: Mapping[str, Any]) -> bool:
    """Return whether a YAML file exists and holds ``content``."""
    try:
        return bool(yaml_text.read(path) == content)
    except (OSError, InputError):
        return False


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Add the command that continues a run or a sweep to an interrupt inside a ``with`` block.

    An interrupt before the run has begun, or after it has finished, is left as it is.

    Raises:
        Interrupted: the block was interrupted; it keeps the notes of the interrupt.
    """
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as interrupt:
        last = last_entry(folder)
        if last is None or (last.kind == "end" and last.content["status"] == "FINISHED"):
            raise
        raise Interrupted(folder, getattr(interrupt, "__notes__", ())) from None


def refuse_files(folder: Path, names: Sequence[str]) -> None:
    """Raise `InputError` if one of the named files exists in the folder.

    Raises:
        InputError: a file would be overwritten.
    """
    for name in names:
        if _stands(folder / name):
            raise InputError(f"{folder / name} exists already and would be overwritten: choose another folder")
