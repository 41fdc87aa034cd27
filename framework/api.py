"""The Python API, for notebooks and tests: the same as the command line, in the current process."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.optimizer import Optimizer
from framework.errors import InputError
from framework.registry import manager
from framework.registry.inline import inline_class
from framework.runs.cursor import run_id
from framework.runs.result import Result, read_run, result_of

if TYPE_CHECKING:
    import pandas

    from framework.study.result import StudyResult
    from framework.sweeps.frames import SweepFrame


def run(*overrides: str, optimizer: type[Optimizer] | None = None) -> Result:
    """Train one run and return its result: the same as ``python -m framework OVERRIDES``.

    Args:
        *overrides: as on the command line: ``"optimizer=adam"``, ``"optimizer.lr=0.01"``.
        optimizer: an optimizer class that need not be registered; it is used under its own name in snake case.

    Raises:
        InputError: an override is invalid, it asks for a plan, or the run's folder is in use; nothing was written.
        PluginError: the name of ``optimizer`` is registered already, or the class is broken.
    """
    from framework.hydra_app.in_process import compose_run, own_hydra
    from framework.runs.folder import cleared_if_refused, make, refuse_used_run
    from framework.sweeps.folder import refuse_alone
    from framework.tracking.run import tracked
    from framework.training.observers import Cautions

    with inline_class(optimizer) as chosen, own_hydra() as hydra:
        from framework.config.check import check
        from framework.config.settings import Display
        from framework.hydra_app.compose import composing
        from framework.hydra_app.composed import plain_data
        from framework.hydra_app.errors import explained
        from framework.hydra_app.setting import setting_of
        from framework.hydra_app.words import as_typed

        words = as_typed([*chosen, *overrides], sweep=False)
        with explained(words):
            composed = compose_run(hydra, words)
            folder = Path(composed.hydra.run.dir).resolve()
            taken = plain_data(composed)
            config = check(taken)
        display = config.section(Display)
        if display.plan:
            raise InputError("plan: a plan has no result; use it on the command line or in framework.sweep")
        refuse_alone(config)
        refuse_used_run(folder, config, taken.unresolved)
        setting = setting_of(config, taken.choices, composing(hydra.config_loader, composed.hydra))
        noted = Cautions()
        with cleared_if_refused(folder, ()):
            make(folder, "hydra.run.dir")
            outcome, tracker = tracked(
                config,
                words,
                folder,
                setting=setting,
                resume=display.resume,
                observers=[noted],
                warn=noted.lines.append,
            )
    for line in [*noted.lines, *tracker.problems]:
        warnings.warn(line, stacklevel=2)
    return result_of(outcome)


def sweep(*overrides: str) -> SweepFrame:
    """Run a sweep and return one row per run, best validation first: the same as ``python -m framework -m OVERRIDES``.

    The frame displays as a table of its settings, averaged over seeds. With ``plan=true``, print the plan and return a
    frame without rows.

    Args:
        *overrides: as on the command line after ``-m``: ``"optimizer=sgd,adam"``, ``"seed=range(5)"``.

    Raises:
        InputError: an override of any job is invalid; nothing was started.
        SweepFailedError: some runs failed; its ``runs`` is the frame that would have been returned.
    """
    from framework.hydra_app.in_process import own_hydra
    from framework.sweeps.frames import SweepFrame

    with own_hydra() as hydra:
        from framework.hydra_app.errors import explained
        from framework.hydra_app.job import quiet_job
        from framework.hydra_app.words import as_typed

        words = as_typed(overrides, sweep=True)
        with explained(words):
            tables = hydra.multirun("config", quiet_job, words, with_log_configuration=False)
        return SweepFrame.of(tables)


def compare(*overrides: str) -> StudyResult:
    """Tune optimizers equally, train the chosen settings with other seeds, and return the comparison.

    The same as ``python -m framework compare OVERRIDES``.

    Args:
        *overrides: as on the command line after ``compare``: ``"optimizer=adam,sgd"``, ``"study=quick"``; without
            ``study`` the preset is ``fair``.

    Raises:
        InputError: an override is invalid, or it asks for a plan; nothing was started.
        RunFailedError: some runs failed; the report counts them with the worst figure.
    """
    from framework.hydra_app.in_process import own_hydra

    with own_hydra() as hydra:
        from framework.hydra_app.errors import explained
        from framework.hydra_app.job import quiet_job
        from framework.hydra_app.study_words import with_preset
        from framework.hydra_app.words import as_typed

        words = as_typed(with_preset(overrides), sweep=True)
        with explained(words):
            found: StudyResult | None = hydra.multirun("config", quiet_job, words, with_log_configuration=False)
        if found is None:
            raise InputError("plan: a plan has no result; use it on the command line")
        return found


def report(
    runs: pandas.DataFrame,
    folder: str | Path = "report",
    *,
    figure: str | None = None,
    greater: bool | None = None,
) -> Path:
    """Write the report of runs in a data frame, and return its page.

    Args:
        runs: one row per run, as `sweep` returns them, or your own: columns ``seed``, one of ``entrant``, ``setting``
            and ``optimizer``, and the figure; optionally ``problem``, ``ended``, ``steps`` and ``seconds``.
        folder: the folder for the page and its data; it is made, and files of equal names are replaced.
        figure: the column to compare, as in ``"test/accuracy"``; default the first one that begins with ``test/`` and
            is not the loss.
        greater: whether greater is better; default False for losses and errors by their names, else True.

    Raises:
        InputError: there are no rows, a column is missing or holds something else, a run is given twice, or the folder
            cannot be used.
    """
    from framework.reports.stored import PAGE, write_report
    from framework.runs.folder import make, refuse_unusable
    from framework.study.of_frame import comparison_of_frame

    to = Path(folder)
    refuse_unusable([to], "report: folder")
    if not hasattr(runs, "columns"):
        raise InputError(f"report: a pandas data frame is needed, not {type(runs).__name__}")
    found = comparison_of_frame(runs, figure, greater)
    make(to, "report: folder")
    write_report(found, to)
    return to / PAGE


def load(run: str | Path, *, uri: str | None = None, plugins: bool = False) -> Result:
    """Return a finished run by its folder, or by its MLflow run id.

    If a run's folder no longer exists, its configuration, journal and model are downloaded from MLflow to a temporary
    folder that is deleted when this process ends. MLflow has the models of single runs only.

    Args:
        run: a folder or an id.
        uri: address of the store that has the id; default MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working
            folder.
        plugins: True permits the result to run the plugin files that are kept with its model, in order to predict. This
            is not needed if FRAMEWORK_PLUGINS names the same files.

    Raises:
        InputError: there is no such run.
    """
    folder = Path(run)
    if folder.is_dir():
        return replace(read_run(folder, run_id(folder)), plugins=plugins)
    from framework.tracking.download import fetched

    return replace(read_run(fetched(str(run), uri), str(run)), plugins=plugins)


def names(kind: str) -> list[str]:
    """Return the registered names of a kind: optimizer, layer, loss, dataset, schedule, metric or stage.

    Raises:
        InputError: there is no such kind.
    """
    return manager.current().names(kind)
