"""Reading of a run that ended early from its folder, so that it can be continued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework.checkpoint.file import load
from framework.config.check import remade
from framework.config.resolved import RunConfig
from framework.config.settings import Display
from framework.errors import InputError
from framework.runs.content import JournalContent
from framework.runs.folder import begun_in, same_run
from framework.runs.journal import sweep_of
from framework.runs.yaml_text import read, read_mapping
from framework.training.state import RunState


@dataclass(frozen=True)
class Interrupted:
    """A single run that can be continued.

    Attributes:
        folder: its folder.
        config: its checked configuration.
        overrides: the user's overrides that led to it.
        setting: the name of its setting.
        epochs: the number of epochs in its journal.
        changed: what has changed since its start, or "".
    """

    folder: Path
    config: RunConfig
    overrides: tuple[str, ...]
    setting: str
    epochs: int
    changed: str


def interrupted(folder: Path, *, force: bool = False) -> Interrupted | None:
    """Return the run in a folder as it is to be continued, or None if it has finished.

    Args:
        folder: the folder.
        force: whether to continue a run whose configuration or plugins have changed.

    Raises:
        InputError: the folder holds no run that has begun, or a run of a sweep, or a file is damaged, or the run's
            configuration or one of its plugins has changed.
    """
    entries = begun_in(folder)
    if not entries or entries[0].kind != "start":
        raise InputError(f"{folder} is not the folder of a run that has begun: there is nothing to resume")
    recorded, start = JournalContent.of(entries), entries[0].content
    if recorded.status == "FINISHED":
        return None
    sweep = sweep_of(folder, entries[0])
    if sweep is not None:
        raise InputError(f"{folder} is a run of a sweep: resume {sweep}")
    config, changed = remade_in(folder, force=force), ""
    if not same_run(entries, config):
        changed = difference(folder, config, start)
        if not force:
            raise InputError(f"{folder}: {changed}; start the run again in another folder, or continue with --force")
    overrides = _needed(folder / "overrides.yaml", read)
    if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
        raise InputError(f"{folder / 'overrides.yaml'} is damaged: it holds no list of overrides")
    setting = recorded.tags.get("setting", "")
    return Interrupted(folder, config, tuple(overrides), setting, len(recorded.history), changed)


def last_state(folder: Path, config: RunConfig) -> tuple[RunState | None, str]:
    """Return the state from which a run continues, or None to start, and the reason why a checkpoint is ignored, or "".

    With the setting ``force``, the checkpoint may be of a changed configuration or of other samples, and one that
    cannot be read is ignored.

    Args:
        folder: the run's folder.
        config: its checked configuration.

    Raises:
        InputError: without ``force``, as for `framework.checkpoint.file.load`.
    """
    if not config.section(Display).force:
        return load(folder, config.identity), ""
    try:
        state = load(folder, None)
    except InputError as error:
        return None, str(error)
    return state and replace(state, digest=""), ""


def remade_in(folder: Path, *, force: bool) -> RunConfig:
    """Return the checked configuration of the run in a folder; ``force`` is the value of that setting.

    Raises:
        InputError: the file is missing or damaged, or a plugin of the run is not loaded.
    """
    try:
        return remade({**_needed(folder / "config.yaml", read_mapping), "force": force})
    except InputError as error:
        saved = sorted(folder.glob("*.py"))
        if not saved:
            raise
        raise InputError(f"{error}: add --plugin {saved[0]}, the plugin file that was saved with the run") from error


def difference(folder: Path, config: RunConfig, start: dict[str, Any]) -> str:
    """Return the first difference between a recorded run and the configuration that its folder gives now."""
    for name, content in config.plugin_sources.items():
        path = folder / name
        if not path.is_file():
            return f"the run did not use the plugin file {name}"
        if path.read_bytes() != content:
            return f"the plugin {name.removesuffix('.py')} is not the one that the run used ({path})"
    recorded = start.get("code") or {}
    for part, version in config.code.items():
        if recorded.get(part, version) != version:
            return f"the code of the {part} is not the one that the run used"
    before, now = start.get("params") or {}, config.params
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key):
            return f"{key} is {now.get(key)!r} and the run was recorded with {before.get(key)!r}"
    return "its identity has changed"


def _needed(path: Path, read_file: Callable[[Path], Any]) -> Any:
    try:
        return read_file(path)
    except FileNotFoundError:
        raise InputError(f"{path.parent} cannot be resumed: it holds no {path.name}") from None
