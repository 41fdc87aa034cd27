"""The state of one run between two epochs: all that its continuation depends on besides its configuration and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.errors import InputError
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
    """

    epoch: int
    step: int
    digest: str
    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]

    @classmethod
    def of(cls, population: Population, row: int, record: Record, step: int) -> RunState:
        """Return the state of the run in ``row`` of a population, with copies of its arrays."""
        arrays = {name: array[row].copy() for name, array in population.tensors().items()}
        arrays |= {f"{KEPT}{name}": array for name, array in record.kept.items()}
        return cls(len(record.history), step, population.data.digest, arrays, record.as_data())


def restore(population: Population, records: Sequence[Record], states: Sequence[RunState]) -> tuple[int, int]:
    """Write the states of R runs into a new population and new records; return their epoch and step.

    Args:
        population: the runs before their first step.
        records: their records.
        states: their states, one per run, of one epoch.

    Raises:
        InputError: a state does not fit its run: another data set, or other arrays.
        ValueError: the states are of different epochs.
    """
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
        record.restore(state.record, kept)
    return states[0].epoch, states[0].step


def _fill(tensors: Mapping[str, np.ndarray], row: int, arrays: Mapping[str, np.ndarray], record: Record) -> None:
    if tensors.keys() != arrays.keys():
        names = ", ".join(sorted(tensors.keys() ^ arrays.keys()))
        raise InputError(f"{record.run.name}: the checkpoint is of another version of a rule or stage (arrays {names})")
    for name, array in arrays.items():
        if (array.shape, array.dtype) != (tensors[name].shape[1:], tensors[name].dtype):
            raise InputError(
                f"{record.run.name}: the checkpoint's {name} is {array.dtype} {array.shape}; the run needs "
                f"{tensors[name].dtype} {tensors[name].shape[1:]}"
            )
        tensors[name][row] = array
