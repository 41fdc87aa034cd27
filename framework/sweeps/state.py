"""The state file of a sweep, ``sweep.json``: what the sweep consists of, and whether it runs or has ended."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from framework.errors import InputError
from framework.system import strict_json
from framework.system.files import read_regular, write_whole

FILE = "sweep.json"
FORMAT = 1


@dataclass(frozen=True)
class JobIdentity:
    """One job of a sweep.

    Attributes:
        number: its position in the sweep, from 0.
        folder: its folder, relative to the sweep's.
        identity: its run's identity, as in `RunConfig.identity`.
        overrides: the user's overrides for it.
    """

    number: int
    folder: str
    identity: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class SweepState:
    """The content of a sweep's state file.

    Attributes:
        arguments: the overrides after ``-m``.
        hydra: overrides of Hydra's own section, without the sweep's folder.
        flags: flags of the command, such as config folders.
        plugins: paths of the plugin files that were loaded.
        jobs: all jobs.
        state: ``"running"``, ``"finished"``, ``"failed"`` or ``"killed"``.
        host, pid, started: the process that runs the sweep, and its start in unix seconds.
        format: version of this file.
    """

    arguments: tuple[str, ...]
    hydra: tuple[str, ...]
    flags: tuple[str, ...]
    plugins: tuple[str, ...]
    jobs: tuple[JobIdentity, ...]
    state: str = "running"
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=time.time)
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write the file to the sweep's folder."""
        write_whole(folder / FILE, (strict_json.dumps(asdict(self), indent=1) + "\n").encode(), durable=True)

    def ended(self, state: str) -> SweepState:
        """Return the state after the end of the sweep."""
        return replace(self, state=state)

    @classmethod
    def load(cls, folder: Path) -> SweepState:
        """Return the state of the sweep in a folder.

        Raises:
            InputError: the file is missing, damaged or of another format.
        """
        path = folder / FILE
        try:
            content = strict_json.loads(read_regular(path))
            if content["format"] != FORMAT:
                raise InputError(f"{path} is of format {content['format']}; this version reads format {FORMAT}")
            jobs = tuple(JobIdentity(**{**job, "overrides": _texts(job["overrides"])}) for job in content.pop("jobs"))
            content |= {name: _texts(content[name]) for name in ("arguments", "hydra", "flags", "plugins")}
            return cls(jobs=jobs, **content)
        except FileNotFoundError:
            raise InputError(f"{folder} is not the folder of a sweep that can be resumed: it holds no {FILE}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged: {error}") from None


def inside(folder: Path, name: str) -> Path:
    """Return a folder inside the sweep's, which the state file names.

    Raises:
        InputError: it is outside.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: its state file names the job folder {name}, which is outside: it is damaged")
    return path


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("a list of texts is needed")
    return tuple(values)
