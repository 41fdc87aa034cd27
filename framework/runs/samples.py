"""The hash of a data set's samples as they are now, to compare with the recorded one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from framework.config.part import stacked
from framework.config.resolved import RunConfig
from framework.data.prepare import prepared
from framework.errors import InputError, exits_as_errors


def other_samples(folder: Path, now: str, before: str) -> str:
    """Return one line for a run whose data set has changed; ``now`` and ``before`` are hashes of its samples."""
    return f"{folder}: the data set has the hash {now}, and the run was recorded with {before}"


def sample_hashes() -> Callable[[RunConfig], str]:
    """Return a function that loads a run's data set and returns `Data.digest`, once for equal data sets.

    If a plugin's error prevents loading, the hash is "": the run itself will report the error.

    Raises:
        InputError: raised by the function if the samples are missing or invalid.
    """
    known: dict[str, str] = {}

    def digest(config: RunConfig) -> str:
        part, dtype = config.parts["dataset"], np.dtype(config.settings.dtype)
        key = json.dumps([part.data, dtype.str], sort_keys=True)
        if key not in known:
            try:
                with exits_as_errors():
                    known[key] = prepared(stacked([part], "dataset"), dtype).digest
            except InputError:
                raise
            except Exception:  # noqa: BLE001 - a plugin's error belongs to its run
                known[key] = ""
        return known[key]

    return digest
