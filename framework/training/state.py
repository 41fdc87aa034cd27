"""The state of one run between two epochs: all that its continuation depends on besides its configuration and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.errors import InputError
from framework.training.observers import HeldState
from framework.training.population import Population
from framework.training.record import Record

KEPT = "kept/"
"""Prefix of the names of the kept parameters and buffers."""


@dataclass(frozen=True)
class RunState:
    """The state of one run between two epochs.

    Data order and noise depend on the seed and the number of the epoch or step alone, so the two numbers are the
    position in all random streams.

    Attributes:
        epoch: the number of epochs that the run has finished.
        step: the number of optimizer steps that it has taken.
        digest: the hash of its data set's samples, as in `Data`; "" if it is not to be compared.
        arrays: parameters, buffers and the arrays of the update chain, as in `Population.tensors`, without the runs
            axis; and the kept parameters and buffers with the prefix `KEPT`.
        record: the rest of the run's record as plain data, as in `Record.as_data`.
        hooks: the arrays of plugins with lifecycle hooks, as in `Observer.state`.
    """

    epoch: int
    step: int
    digest: str
    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]
    hooks: HeldState = field(default_factory=dict)

    @classmethod
    def of(cls, population: Population, row: int, record: Record, step: int, hooks: HeldState) -> RunState:
        """Return the state of the run in ``row`` of a population, with copies of its arrays."""
        arrays = {name: array[row].copy() for name, array in population.tensors().items()}
        arrays |= {f"{KEPT}{name}": array for name, array in record.kept.items()}
        return cls(len(record.history), step, population.data.digest, arrays, record.as_data(), hooks)


def restore(population: Population, records: Sequence[Record], states: Sequence[RunState]) -> tuple[int, int]:
    """Write the states of R runs into a new population and new records; return their epoch and step.

    Args:
        population: the runs before their first step.
        records: their records.
        states: their states, one per run, of one epoch.

    Raises:
        InputError: a state does not fit its run: another data set, other arrays, or a record that no run has.
        ValueError: the states are of different epochs.
    """
    for record, state in zip(records, states, strict=True):
        if not _possible(state, population.total):
            raise InputError(f"{record.run.name}: the checkpoint's record is damaged: start the run again")
    if len({(state.epoch, state.step) for state in states}) != 1:
        raise ValueError("runs of different epochs cannot continue together")
    tensors = population.tensors()
    for row, (record, state) in enumerate(zip(records, states, strict=True)):
        if state.digest not in ("", population.data.digest):
            raise InputError(
                f"{record.run.name}: the data set has the hash {population.data.digest} and the checkpoint was written "
                f"with {state.digest}: restore the data, or start the run again"
            )
        kept = {name.removeprefix(KEPT): array for name, array in state.arrays.items() if name.startswith(KEPT)}
        _fill(tensors, row, {name: array for name, array in state.arrays.items() if not name.startswith(KEPT)}, record)
        _fit(tensors, kept, record)
        record.restore(state.record, kept)
    return states[0].epoch, states[0].step


def _fill(tensors: Mapping[str, np.ndarray], row: int, arrays: Mapping[str, np.ndarray], record: Record) -> None:
    if tensors.keys() != arrays.keys():
        names = ", ".join(sorted(tensors.keys() ^ arrays.keys()))
        raise InputError(f"{record.run.name}: the checkpoint is of another version of a rule or stage (arrays {names})")
    _fit(tensors, arrays, record)
    for name, array in arrays.items():
        tensors[name][row] = array


def _fit(tensors: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], record: Record) -> None:
    for name, array in arrays.items():
        if name not in tensors:
            raise InputError(f"{record.run.name}: the checkpoint keeps the array {name}, which the run has not")
        if (array.shape, array.dtype) != (tensors[name].shape[1:], tensors[name].dtype):
            raise InputError(
                f"{record.run.name}: the checkpoint's {name} is {array.dtype} {array.shape}; the run needs "
                f"{tensors[name].dtype} {tensors[name].shape[1:]}"
            )


def _possible(state: RunState, total: int | None) -> bool:
    """Return whether epoch, step and record can be those of a run that goes on; else training might never end."""
    data = state.record
    if not isinstance(data, Mapping) or not data.keys() >= Record.KEYS or not isinstance(data["history"], list):
        return False
    rows = data["history"]
    names = rows[0].keys() if rows and isinstance(rows[0], Mapping) else ()
    return (
        _whole(state.epoch, 1)
        and len(rows) == state.epoch
        and {"epoch", "step", "train/loss", "val/loss"} <= set(names)
        and all(isinstance(row, Mapping) and row.keys() == names and all(map(_number, row.values())) for row in rows)
        and all(_whole(row["step"], 1) and row["epoch"] == place for place, row in enumerate(rows, start=1))
        and _whole(state.step, 1)
        and rows[-1]["step"] == state.step
        and (total is None or state.step < total)
        and (data["best_epoch"] is None or _whole(data["best_epoch"], 1, state.epoch))
        and _whole(data["improved_epoch"], 0, state.epoch)
        and all(map(_number, (data["best_loss"], data["improved_loss"])))
        and all(_number(data[name]) and data[name] >= 0 for name in ("seconds", "population_seconds"))
    )


def _whole(value: object, least: int, most: float = float("inf")) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
