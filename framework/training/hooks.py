"""The observers that call the plugins' lifecycle hooks, and the state that plugins keep for runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from framework.base.run import Run
from framework.errors import PluginError
from framework.registry.manager import Registry
from framework.training.observers import HeldState, Observer
from framework.training.population import Population
from framework.training.record import Outcome, Record

FOLLOWING = ("step_finished", "epoch_finished", "should_stop", "run_state")
"""Hooks that are called repeatedly in a run: a plugin that implements one may keep something from call to call."""

NUMBERS = "biufc"
"""Kinds of dtypes that a plugin's arrays may have: booleans and numbers."""


class Hooks(Observer):
    """Calls the plugins' lifecycle hooks; each hook is looked up once.

    Args:
        registry: registry of the plugins.
        final: whether an error is final; False if each run is then trained alone.
    """

    def __init__(self, registry: Registry, *, final: bool = True) -> None:
        self._final = final
        self._started = registry.lifecycle("run_started")
        self._epoch = registry.lifecycle("epoch_finished")
        self._stop = registry.lifecycle("should_stop")
        self._finished = registry.lifecycle("run_finished")
        self._failed = registry.lifecycle("run_failed")
        self._following = following(registry)
        self._state = registry.lifecycle_by_plugin("run_state")
        self._restore = registry.lifecycle_by_plugin("restore_run")

    def started(self, runs: Sequence[Run], population: Population) -> None:
        """Call ``run_started`` for each run."""
        if self._started:
            for run in runs:
                self._started(run=run)

    def epoch(self, record: Record) -> None:
        """Call ``epoch_finished``."""
        if self._epoch:
            self._epoch(run=record.run, epoch=len(record.history), metrics=dict(record.history[-1]))

    def should_stop(self, record: Record) -> bool:
        """Call ``should_stop``; return whether any plugin returns true."""
        if not self._stop:
            return False
        return any(self._stop(run=record.run, epoch=len(record.history), metrics=dict(record.history[-1])))

    def state(self, run: Run) -> HeldState:
        """Return the arrays of ``run_state`` by plugin; none for a plugin that does not implement it.

        Raises:
            PluginError: a plugin returned something else, or has no ``restore_run`` to take its arrays back.
        """
        held = {plugin: _arrays(plugin, call(run=run)) for plugin, call in self._state.items()}
        for plugin, arrays in held.items():
            if arrays and plugin not in self._restore:
                raise PluginError(f"plugin {plugin}: run_state returned arrays, and no restore_run takes them back")
        return {plugin: {} for plugin in self._following} | held

    def restore(self, run: Run, state: HeldState) -> None:
        """Call ``restore_run`` of each plugin that has arrays in the state."""
        for plugin, call in self._restore.items():
            if state.get(plugin):
                call(run=run, state=state[plugin])

    def finished(self, outcome: Outcome) -> None:
        """Call ``run_finished``."""
        if self._finished:
            self._finished(run=outcome.run, metrics=dict(outcome.metrics))

    def failed(self, run: Run, error: BaseException) -> None:
        """Call ``run_failed``, unless the run will be trained again alone."""
        if self._failed and (self._final or not isinstance(error, Exception)):
            self._failed(run=run, error=error)


class StepHooks(Observer):
    """Calls the hook ``step_finished`` at every step; used only if a plugin implements it."""

    def __init__(self, registry: Registry) -> None:
        self._step = registry.lifecycle("step_finished")

    def step(self, runs: Sequence[Run], step: int, losses: np.ndarray) -> None:
        """Call ``step_finished``."""
        if self._step:
            self._step(runs=runs, step=step, losses=losses)


def hooks(registry: Registry, *, final: bool = True) -> list[Observer]:
    """Return the observers that the registry's plugins need; ``final`` as in `Hooks`."""
    return [Hooks(registry, final=final), *([StepHooks(registry)] if registry.lifecycle("step_finished") else [])]


def following(registry: Registry) -> list[str]:
    """Return the names of the plugins that follow the course of runs, and may therefore keep something for them."""
    names = [name for hook in FOLLOWING for name in registry.lifecycle_by_plugin(hook)]
    return list(dict.fromkeys(names))


def afresh(registry: Registry, stored: Collection[str]) -> list[str]:
    """Return one warning line per plugin whose state is not continued, for runs that continue from a checkpoint.

    Args:
        registry: registry of the plugins.
        stored: names of the plugins that the checkpoint lists.
    """
    now, keeping = following(registry), registry.lifecycle_by_plugin("run_state")
    lines = []
    for name in stored:
        if name not in now:
            lines.append(f"plugin {name} followed the run until its checkpoint and is not loaded: it is left out")
    for name in now:
        if name not in stored:
            lines.append(f"plugin {name} was not there when the checkpoint was written: it starts afresh")
        elif name not in keeping:
            lines.append(
                f"plugin {name} keeps no state in checkpoints: it starts afresh in runs that continue (hook run_state; "
                "return {} if there is nothing to keep)"
            )
    return lines


def _arrays(plugin: str, returned: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return copies of the arrays that a plugin's ``run_state`` returned."""
    arrays: dict[str, np.ndarray] = {}
    for mapping in returned:
        if not isinstance(mapping, Mapping):
            raise PluginError(f"plugin {plugin}: run_state must return a mapping of arrays, not {mapping!r:.60}")
        for name, value in mapping.items():
            array = np.array(value)
            if not isinstance(name, str) or array.dtype.kind not in NUMBERS:
                raise PluginError(
                    f"plugin {plugin}: run_state must return arrays of numbers by name; {name!r:.60} has the dtype "
                    f"{array.dtype}"
                )
            arrays[name] = array
    return arrays
