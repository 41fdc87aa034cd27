"""The stages around a rule: in NumPy, or replayed with the training steps. The bits are the same.

As for the passes (`framework.training.passes`), the calls of the first step are recorded, the second step is computed
both ways and compared, and only if all bits are the same are the recorded calls replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.base.numerics import same_bits
from framework.base.parameters import Parameters, State
from framework.base.stage import Stage
from framework.compiler.ir import UnfusableError
from framework.compiler.recording import Recorder
from framework.compiler.replay import Replay
from framework.training.acting import steps_to_rule
from framework.training.attributes import constants, moved, set_aside
from framework.training.passes import log_once


@dataclass
class Act:
    """What all stages do before or after the rule, as recorded calls.

    Attributes:
        lr: the array of the recorded step's learning rates.
        replay: the replay of the calls, or None if there are none.
        constants: per stage the numbers that `framework.training.attributes.constants` found.
        exact: whether the bits were compared and are the same.
    """

    lr: np.ndarray
    replay: Replay | None
    constants: list[dict[str, Any]]
    exact: bool = False


class StageChain:
    """The stages before and after a rule, for R runs.

    Args:
        stages: the stages in their order; one that is not ``replayable`` keeps them in NumPy.
        parameters: parameters of the R runs, changed in place.
        gradients: their gradients, changed in place.
        replays: whether the stages may be replayed.

    Attributes:
        states: each stage's arrays.
        every: the number of batches per step of the rule.
        refusal: why the stages run in NumPy although they should be replayed, or "".
        differed: whether a replayed step differed from NumPy's.
    """

    def __init__(
        self, stages: Sequence[Stage], parameters: Parameters, gradients: Parameters, *, replays: bool
    ) -> None:
        self._stages = list(stages)
        self._parameters = parameters
        self._gradients = gradients
        self.states: list[State] = [stage.initial_state(parameters) for stage in stages]
        self.every = steps_to_rule(self._stages)
        self._replays = replays and self.every == 1 and all(stage.replayable for stage in stages)
        self._acts: dict[str, Act] = {}
        self._lr = np.empty(0)
        self.refusal = ""
        self.differed = False

    def __bool__(self) -> bool:
        return bool(self._stages)

    def __iter__(self) -> Iterator[tuple[Stage, State]]:
        return iter(zip(self._stages, self.states, strict=True))

    def before(self, t: int, lr: np.ndarray) -> bool:
        """Call the stages' `before`; return False if one that joins batches ends the step before the rule.

        Args:
            t: step number, from 1.
            lr: the step's learning rates ``(R or 1, 1)``.
        """
        if self._replays:
            self._act("before", lr)
            return True
        every = 1
        for stage, state in self:
            stage.before(self._parameters, self._gradients, state, lr)
            every *= stage.every
            if t % every:
                return False
        return True

    def after(self, lr: np.ndarray) -> None:
        """Call the stages' `after`."""
        if self._replays:
            self._act("after", lr)
        else:
            self._call("after", self._parameters, self._gradients, self.states, lr)

    def replayed(self) -> tuple[Replay | None, Replay | None] | None:
        """Return the replays of what comes before and after the rule, or None if Python must call the stages."""
        if not self._stages:
            return None, None
        acts = [self._acts.get(name) for name in ("before", "after")]
        before, after = (act.replay if act is not None and act.exact else self for act in acts)
        return None if isinstance(before, StageChain) or isinstance(after, StageChain) else (before, after)

    def bind(self, lr: np.ndarray) -> None:
        """Set the learning rates of the next steps, ``(T, R or 1, 1)``, for their replay."""
        self._lr = np.ascontiguousarray(lr[:, :, 0].T)
        for act in self._acts.values():
            if act.replay is not None:
                act.replay.bind(act.lr, self._lr)

    def _call(
        self, name: str, parameters: Parameters, gradients: Parameters, states: Sequence[State], lr: np.ndarray
    ) -> None:
        for stage, state in zip(self._stages, states, strict=True):
            getattr(stage, name)(parameters, gradients, state, lr)

    def _act(self, name: str, lr: np.ndarray) -> None:
        act = self._acts.get(name)
        if act is None:
            self._record(name, lr)
        elif not act.exact:
            self._compare(name, act, lr)
        elif act.replay is not None:
            self.bind(lr[None])
            act.replay.run()

    def _record(self, name: str, lr: np.ndarray) -> None:
        """Record the calls of the stages on copies of what they keep, and call them in NumPy."""
        start, recorder = self._copies(), Recorder()
        try:
            with set_aside(self._stages):
                self._acts[name] = self._new_act(name, recorder, np.array(lr, order="C"))
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything if its calls are recorded
            self._give_up(str(error) if isinstance(error, UnfusableError) else f"{type(error).__name__}: {error}")
        finally:
            recorder.forget()
            self._set(start)
        self._call(name, self._parameters, self._gradients, self.states, lr)

    def _new_act(self, name: str, recorder: Recorder, lr: np.ndarray) -> Act:
        parameters, gradients = (
            Parameters(each.shapes, each.runs, each.dtype, recorder.outer(each.flat))
            for each in (self._parameters, self._gradients)
        )
        states: list[State] = [{key: recorder.outer(array) for key, array in state.items()} for state in self.states]
        self._call(name, parameters, gradients, states, recorder.bound(lr))
        if not all(map(_holds, states, self.states)):
            raise UnfusableError("a stage replaces an array of its state instead of changing it")
        replay = Replay(recorder, self._parameters.runs) if recorder.calls else None
        if replay is not None and not replay.divided:
            raise UnfusableError("a stage's numbers depend on those of other runs")
        return Act(lr, replay, [constants(stage, recorder) for stage in self._stages])

    def _compare(self, name: str, act: Act, lr: np.ndarray) -> None:
        """Take a step in NumPy and replay it; leave NumPy's result."""
        start = self._copies()
        self._call(name, self._parameters, self._gradients, self.states, lr)
        expected, refusal = self._copies(), moved(self._stages, act.constants)
        self._set(start)
        if act.replay is not None:
            self.bind(lr[None])
            act.replay.run()
        if not refusal and not all(map(same_bits, expected, self._arrays())):
            refusal = "a replayed step of a stage differs from NumPy's"
        act.exact = not refusal
        if refusal:
            self._set(expected)
            self.differed = True
            self._give_up(refusal)

    def _give_up(self, reason: str) -> None:
        log_once(reason)
        self.refusal, self._replays = reason, False
        self._acts.clear()

    def _arrays(self) -> list[np.ndarray]:
        states = [array for state in self.states for array in state.values()]
        return [self._parameters.flat, self._gradients.flat, *states]

    def _copies(self) -> list[np.ndarray]:
        return [array.copy() for array in self._arrays()]

    def _set(self, copies: Sequence[np.ndarray]) -> None:
        for array, copy in zip(self._arrays(), copies, strict=True):
            array[...] = copy


def _holds(state: State, own: State) -> bool:
    """Return whether a state still consists of the arrays ``own``."""
    return state.keys() == own.keys() and all(
        state[key].shape == array.shape and np.may_share_memory(np.ndarray.view(state[key], np.ndarray), array)
        for key, array in own.items()
    )
