"""Specifications of all hooks, each with a complete working plugin in its docstring (a test runs all of them).

The examples make this module longer than others; plugin authors find all hooks in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from framework.specs import (
    DatasetSpec,
    LayerSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    ScheduleSpec,
    StageSpec,
)

if TYPE_CHECKING:
    import numpy as np

    from framework.base.run import Run

PROJECT = "framework"
API_VERSION = 1
"""Version of these hooks. A plugin module may declare the version it was written for: ``framework_api = 1``."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_optimizers() -> Iterable[OptimizerSpec]:  # type: ignore[empty-body]
    """Return the optimizers this plugin provides.

    ::

        from framework import ElementwiseOptimizer, OptimizerSpec, hookimpl, hyper
        from framework.elementwise import sign


        class SignDescent(ElementwiseOptimizer):
            '''Step by the sign of the gradient.'''

            lr: float = hyper(1e-3, above=0, prior="log", search=(1e-4, 1e-1))

            def rule(p, g, *, lr):
                return p - lr * sign(g)


        @hookimpl
        def register_optimizers():
            yield OptimizerSpec("sign_descent", SignDescent)
    """


@hookspec
def register_layers() -> Iterable[LayerSpec]:  # type: ignore[empty-body]
    """Return the layers this plugin provides.

    ::

        from framework import Layer, LayerSpec, hookimpl


        class Square(Layer):
            '''y = x^2.'''

            def forward(self, x, *, training):
                self._x = x
                return x * x

            def backward(self, dy, *, need_dx):
                return 2 * self._x * dy if need_dx else None


        @hookimpl
        def register_layers():
            yield LayerSpec("square", Square)
    """


@hookspec
def register_losses() -> Iterable[LossSpec]:  # type: ignore[empty-body]
    """Return the losses this plugin provides.

    ::

        import numpy as np

        from framework import Loss, LossSpec, as_values, hookimpl


        class LogCosh(Loss):
            '''log cosh of the error, averaged over the batch and the outputs.'''

            def forward(self, predictions, targets):
                self._error = predictions - as_values(targets, predictions)
                return np.log(np.cosh(self._error)).reshape(len(predictions), -1).mean(axis=1)

            def backward(self):
                return np.tanh(self._error) / self._error[0].size


        @hookimpl
        def register_losses():
            yield LossSpec("log_cosh", LogCosh)
    """


@hookspec
def register_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the data sets this plugin provides.

    ::

        import numpy as np

        from framework import Dataset, DatasetSpec, Raw, Samples, hookimpl, integer, stream


        class Xor(Dataset):
            '''Points of the plane, classified by whether both coordinates have the same sign.'''

            samples: int = integer(400, at_least=10)

            def load(self):
                x = stream(self.split_seed, "xor").uniform(-1, 1, (self.samples, 2))
                return Raw(Samples(x, (x[:, 0] * x[:, 1] > 0).astype(int)), source="generated")


        @hookimpl
        def register_datasets():
            yield DatasetSpec("xor", Xor)
    """


@hookspec
def register_schedules() -> Iterable[ScheduleSpec]:  # type: ignore[empty-body]
    """Return the learning-rate schedules this plugin provides.

    ::

        from framework import Schedule, ScheduleSpec, hookimpl, hyper


        class InverseTime(Schedule):
            '''1 / (1 + rate t): the classic Robbins-Monro decay.'''

            rate: float = hyper(0.01, at_least=0)

            def factor(self, t, total):
                return 1 / (1 + self.rate * (t - 1))


        @hookimpl
        def register_schedules():
            yield ScheduleSpec("inverse_time", InverseTime)
    """


@hookspec
def register_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Return the metrics this plugin provides.

    ::

        import numpy as np

        from framework import Metric, MetricSpec, hookimpl


        class WorstError(Metric):
            '''The largest absolute error of all.'''

            tasks = ("regression", "reconstruction")
            greater_is_better = False

            def start(self, runs):
                self._worst = [np.full(runs, -np.inf)]

            def update(self, predictions, targets):
                error = np.abs(predictions - targets).reshape(len(predictions), -1)
                self._worst.append(error.max(axis=1))

            def value(self):
                worst = np.max(self._worst, axis=0)
                return np.where(np.isneginf(worst), np.nan, worst)  # NaN before any sample


        @hookimpl
        def register_metrics():
            yield MetricSpec("worst_error", WorstError)
    """


@hookspec
def register_stages() -> Iterable[StageSpec]:  # type: ignore[empty-body]
    """Return the stages this plugin provides.

    ::

        from framework import Stage, StageSpec, hookimpl, hyper


        class Shrink(Stage):
            '''Multiply every gradient by a constant.'''

            factor: float = hyper(0.5, above=0)

            def before(self, parameters, gradients, state, lr):
                gradients.flat *= self.factor.astype(gradients.dtype)


        @hookimpl
        def register_stages():
            yield StageSpec("shrink", Shrink)
    """


@hookspec
def run_started(run: Run) -> None:
    """Called for each run before its first step.

    It is called again if a run of the same population raised an error and each of the other runs is then trained alone.

    Args:
        run: the run.

    ::

        from framework import hookimpl


        @hookimpl
        def run_started(run):
            print("started", run.name)
    """


@hookspec
def step_finished(runs: Sequence[Run], step: int, losses: Any) -> None:
    """Called after each optimizer step.

    Args:
        runs: the R runs that are trained together.
        step: number of the step, from 1.
        losses: training losses of the runs, shape ``(R,)``.

    ::

        from framework import hookimpl


        @hookimpl
        def step_finished(runs, step, losses):
            if step == 1:
                print("first loss", losses[0])
    """


@hookspec
def epoch_finished(run: Run, epoch: int, metrics: dict[str, float]) -> None:
    """Called for each run at the end of each epoch.

    Args:
        run: the run.
        epoch: number of the epoch, from 1.
        metrics: the logged values by name: ``train/loss``, ``val/loss``, ``lr`` and so on.

    ::

        from framework import hookimpl


        @hookimpl
        def epoch_finished(run, epoch, metrics):
            print(run.name, epoch, metrics["val/loss"])
    """


@hookspec
def run_finished(run: Run, metrics: dict[str, float]) -> None:
    """Called once when a run ends without an error, including runs that stop early or diverge.

    Args:
        run: the run.
        metrics: its last metrics and, unless the setting ``evaluate_test`` is off, its test metrics by name.

    ::

        from framework import hookimpl


        @hookimpl
        def run_finished(run, metrics):
            print("finished", run.name, metrics["val/loss"])
    """


@hookspec
def run_failed(run: Run, error: BaseException) -> None:
    """Called once when an error or an interrupt ends a run; the exception propagates afterwards.

    Args:
        run: the run.
        error: the exception.

    ::

        from framework import hookimpl


        @hookimpl
        def run_failed(run, error):
            print("failed", run.name, error)
    """


@hookspec
def should_stop(run: Run, epoch: int, metrics: dict[str, float]) -> bool:  # type: ignore[empty-body]
    """Return True to end this run after this epoch. Called at the end of each epoch; one plugin's True ends the run.

    Args:
        run: the run.
        epoch: number of the epoch, from 1.
        metrics: the logged values by name, as for ``epoch_finished``.

    ::

        from framework import hookimpl


        @hookimpl
        def should_stop(run, epoch, metrics):
            return metrics["val/loss"] < 0.5
    """


@hookspec
def run_state(run: Run) -> Mapping[str, np.ndarray]:  # type: ignore[empty-body]
    """Return the arrays that this plugin keeps for a run, to be stored in the run's checkpoint.

    It is called when a checkpoint is written, after the other hooks of the epoch. A plugin whose hooks keep something
    from epoch to epoch implements this hook and ``restore_run``; without it the plugin starts afresh in a run that
    continues from a checkpoint, and a warning says so. A plugin that keeps nothing returns ``{}``.

    Args:
        run: the run.

    Returns:
        Arrays of numbers or booleans by name.

    ::

        import numpy as np

        from framework import hookimpl

        best = {}


        @hookimpl
        def epoch_finished(run, epoch, metrics):
            best[run.id] = min(best.get(run.id, np.inf), metrics["val/loss"])
            print(run.name, epoch, best[run.id])


        @hookimpl
        def run_state(run):
            return {"best": np.array(best[run.id])}


        @hookimpl
        def restore_run(run, state):
            best[run.id] = float(state["best"])
    """


@hookspec
def restore_run(run: Run, state: Mapping[str, np.ndarray]) -> None:
    """Called for a run that continues from a checkpoint, after ``run_started`` and before its next step.

    The run may continue in another process, under another ``run.id`` and together with other runs. It is not called if
    the checkpoint holds no arrays of this plugin.

    Args:
        run: the run.
        state: the arrays that this plugin's ``run_state`` returned.

    ::

        import numpy as np

        from framework import hookimpl

        losses = {}


        @hookimpl
        def run_started(run):
            losses[run.id] = []


        @hookimpl
        def restore_run(run, state):
            losses[run.id] = list(state["losses"])


        @hookimpl
        def run_state(run):
            return {"losses": np.array(losses[run.id])}


        @hookimpl
        def should_stop(run, epoch, metrics):
            losses[run.id].append(metrics["val/loss"])
            return len(losses[run.id]) > 3 and min(losses[run.id][-3:]) > min(losses[run.id])
    """
