"""The file of a checkpoint: arrays and JSON in one archive, written whole, checked by hash when it is read.

The archive is a zip file without compression. It contains ``checkpoint.json``, with the format, the run's identity, its
state, name, shape, dtype and SHA-256 of each array, and its own SHA-256; and the arrays as ``0.npy``, ``1.npy``, ….
Nothing in it is a pickle, and no member is extracted to a path.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from framework import errors
from framework.data.archives import UNREADABLE, opened, read_array
from framework.errors import InputError
from framework.system import strict_json
from framework.system.files import write_whole
from framework.training.state import RunState

FILE = "checkpoint.npz"
FORMAT = 1
_DESCRIPTION = "checkpoint.json"
_MOST = 64 * 2**20
"""Most bytes of the description that are read."""


def save(folder: Path, identity: str, state: RunState) -> None:
    """Write a run's state to its folder; a kill leaves the checkpoint before or this one.

    Args:
        folder: the run's folder.
        identity: the run's identity, as in `RunConfig.identity`.
        state: the state.

    Raises:
        OSError: the file cannot be written; the checkpoint before is kept.
    """
    content, arrays = io.BytesIO(), []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for place, (plugin, name, array) in enumerate(_named(state)):
            member = io.BytesIO()
            npy.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(f"{place}.npy", member.getvalue())
            arrays.append(
                {
                    "plugin": plugin,
                    "name": name,
                    "shape": array.shape,
                    "dtype": array.dtype.str,
                    "sha256": _hash(array),
                }
            )
        description = {
            "format": FORMAT,
            "identity": identity,
            "epoch": state.epoch,
            "step": state.step,
            "digest": state.digest,
            "record": strict_json.spelled(state.record),
            "plugins": list(state.hooks),
            "arrays": arrays,
        }
        archive.writestr(_DESCRIPTION, strict_json.dumps({**description, "sha256": _text_hash(description)}))
    write_whole(folder / FILE, content.getvalue(), durable=True)


def load(folder: Path, identity: str | None) -> RunState | None:
    """Return the state that `save` wrote, or None if the folder holds no checkpoint.

    Args:
        folder: the run's folder.
        identity: the identity of the run that is to continue; None accepts a checkpoint of any.

    Raises:
        InputError: the checkpoint is damaged, of another format or of another run.
    """
    path = folder / FILE
    try:
        description = _description(path)
        if identity is not None and description["identity"] != identity:
            raise InputError(
                f"{path} belongs to a run with the identity {errors.short(description['identity'])}; this run has "
                f"{identity}: its configuration or one of its plugin files has changed"
            )
        arrays: dict[str, np.ndarray] = {}
        hooks: dict[str, dict[str, np.ndarray]] = {plugin: {} for plugin in description["plugins"]}
        for place, entry in enumerate(description["arrays"]):
            owner = arrays if entry["plugin"] is None else hooks[entry["plugin"]]
            owner[entry["name"]] = _checked(read_array(path, str(place)), entry)
        record = strict_json.unspelled(description["record"])
        return RunState(description["epoch"], description["step"], description["digest"], arrays, record, hooks)
    except FileNotFoundError:
        return None
    except InputError:
        raise
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _named(state: RunState) -> Iterator[tuple[str | None, str, np.ndarray]]:
    """Yield each array of a state with its name and the plugin that keeps it, None for the run's own."""
    yield from ((None, name, array) for name, array in state.arrays.items())
    for plugin, arrays in state.hooks.items():
        yield from ((plugin, name, array) for name, array in arrays.items())


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged ({error}): remove it to start the run again")


def epoch_of(folder: Path) -> int:
    """Return the epoch of the checkpoint in a folder, or 0 if there is none.

    Raises:
        InputError: the checkpoint is damaged or of another format; its arrays are not looked at.
    """
    path = folder / FILE
    try:
        return int(_description(path)["epoch"])
    except FileNotFoundError:
        return 0
    except InputError:
        raise
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def plugins_of(folder: Path) -> list[str]:
    """Return the names of the plugins that the checkpoint in a folder lists; none if there is no checkpoint.

    Raises:
        InputError: the checkpoint is damaged or of another format; its arrays are not looked at.
    """
    path = folder / FILE
    try:
        return [str(name) for name in _description(path)["plugins"]]
    except FileNotFoundError:
        return []
    except InputError:
        raise
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _description(path: Path) -> dict[str, Any]:
    with opened(path) as archive:
        member = archive.getinfo(_DESCRIPTION)
        if member.file_size > _MOST or member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its {_DESCRIPTION} claims {member.file_size:,} bytes")
        found = strict_json.loads(archive.read(member))
    if not isinstance(found, dict):
        raise TypeError(f"its {_DESCRIPTION} is no mapping")
    if found["format"] != FORMAT:
        raise InputError(f"{path} is of format {errors.short(found['format'])}; this version reads format {FORMAT}")
    if found.pop("sha256", None) != _text_hash(found):
        raise ValueError(f"its {_DESCRIPTION} is not the one that was written")
    return found


def _checked(array: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    same = (list(array.shape), array.dtype.str, _hash(array)) == (entry["shape"], entry["dtype"], entry["sha256"])
    if not same:
        raise ValueError(f"its array {entry['name']} is not the one that was written")
    return array


def _text_hash(description: dict[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(description).encode()).hexdigest()


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(array, order="C").reshape(-1).view(np.uint8).data).hexdigest()
