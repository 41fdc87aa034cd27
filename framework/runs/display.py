"""What a person reads of runs and plans, as text: the layer table, the closing summary, what a sweep would take."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from framework import errors
from framework.base.run import Run
from framework.sweeps.planning import Plan
from framework.tracking.client import run_id
from framework.tracking.cursor import without_password
from framework.tracking.store import resolve_uri, sqlite_file
from framework.training import kept
from framework.training.population import Population
from framework.training.record import Outcome


def table(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Return rows as aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(indent + "   ".join(cells).rstrip())
    return "\n".join(lines)


def layer_table(population: Population) -> str:
    """Return the model's layers with output shapes and parameter counts."""
    model = population.model
    rows = [("layer", "output", "parameters"), ("input", _shape(model.input_shape), "")]
    rows += [
        (row.name, _shape(row.output_shape), f"{row.parameters:,}" if row.parameters else "") for row in model.rows
    ]
    rows.append(("total", "", f"{model.parameters.size:,}"))
    return table(rows)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def headline(run: Run, population: Population) -> str:
    """Return one line that says what is about to train on what."""
    data, config = population.data, run.config
    sizes = f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test"
    return f"{run.name} on {config['problem']}: data set {config['dataset']['name']} ({sizes})"


def figures(metrics: dict[str, float]) -> str:
    """Return loss and metrics of the three splits as a table."""
    names = list(dict.fromkeys(name.split("/", 1)[1] for name in metrics))
    rows = [("", *names)]
    for split in ("train", "val", "test"):
        rows.append((split, *(figure_text(metrics.get(f"{split}/{name}")) for name in names)))
    return table(rows)


def figure_text(value: float | None) -> str:
    """Return a figure as tables show it: four decimals, or four digits for small ones."""
    return "" if value is None else f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"


ENDINGS = {"budget": "finished", "early stopping": "stopped early", "stopped": "stopped by a plugin"}
"""Words for `Outcome.ended`; others stand for themselves."""


def summary(outcome: Outcome) -> str:
    """Return how a run ended: steps, time and figures."""
    advice = "; try a lower learning rate" if "lr" in outcome.run.config["optimizer"] else ""
    how = ending(outcome.ended, outcome.history, outcome.kept_epoch, advice)
    return f"{how}\n{figures(outcome.metrics)}"


def ending(ended: str, history: Sequence[Mapping[str, float]], kept_epoch: int | None, advice: str = "") -> str:
    """Return how a run ended in a line: epochs, steps and time, and the kept epoch if it is not the last.

    Args:
        ended: as in `Outcome`, or ``"unfinished"``.
        history: one row per epoch.
        kept_epoch: the epoch whose parameters are kept, or None.
        advice: what to say to a run that diverged.
    """
    last = history[-1] if history else {}
    how = ENDINGS.get(ended, ended) + (f" at step {last.get('step', 0):,}{advice}" if ended == "diverged" else "")
    parts = [counted(len(history), "epoch"), counted(int(last.get("step", 0)), "step")]
    parts += [f"{last['time/seconds']:.2f} s of training"] if "time/seconds" in last else []
    which = f"; kept: the parameters of epoch {kept_epoch}" if kept_epoch not in (None, len(history)) else ""
    return f"{how}: {', '.join(parts)}{which}"


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``"1 epoch"``, ``"1,230 steps"``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def one_line(outcome: Outcome) -> str:
    """Return a finished run of a sweep in one line."""
    ended = "" if outcome.ended == "budget" else f"  {outcome.ended}"
    figures = kept.recorded(outcome.metrics)
    shown = [f"{name} {figure_text(figures[name])}" for name in kept.shown(figures)]
    return f"{outcome.run.name}  {'  '.join(shown)}  {outcome.clock.share:.2f} s{ended}"


def whereabouts(folder: Path, uri: str) -> str:
    """Return where a run is stored and the command that opens the UI; ``uri`` is "" where tracking is off."""
    lines = [f"run folder  {shortened_path(folder)}"]
    run = run_id(folder)
    if run is not None:
        elsewhere = "" if uri == resolve_uri() else f" --uri {shlex.quote(without_password(uri))}"
        lines += [f"MLflow      run {run} in {_short_store(uri)}", f"open it     python -m framework ui{elsewhere}"]
    return "\n".join(lines) + "\n"


def warn(lines: Iterable[str]) -> None:
    """Write warnings where they do not mix with results."""
    for line in lines:
        errors.warn(line)


def _short_store(uri: str) -> str:
    database = sqlite_file(uri)
    return without_password(uri) if database is None else shortened_path(database)


def shortened_path(folder: Path) -> str:
    """Return a path relative to the working folder, if it is below it."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def plan_text(planned: Plan) -> str:
    """Return what a sweep would do: runs, groups and why some run alone, time, memory and disk."""
    rows = [("group", "runs", "together", "time", "memory")]
    notes = []
    for group, cost in planned.groups:
        blocks = [block for block in planned.blocks if block.jobs[0] in group.jobs]
        together = max(len(block.jobs) for block in blocks)
        seconds = sum(block.seconds for block in blocks)
        memory = max(block.memory for block in blocks)
        rows.append((group.label, str(len(group.jobs)), str(together), duration(seconds), size(memory)))
        if group.alone:
            notes.append(f"  {group.label}: one by one, because {group.alone}")
        if cost.failed:
            notes.append(f"  {group.label}: could not be tried: {cost.failed}")
    runs = sum(len(group.jobs) for group, _ in planned.groups)
    total = (
        f"{_grouped(planned)} on "
        f"{planned.workers} {'process' if planned.workers == 1 else 'processes'}: about {duration(planned.seconds)} of "
        f"training, {size(planned.memory)} of memory, {size(runs * DISK_PER_RUN)} of disk. Nothing was started."
    )
    return "\n".join([table(rows), *notes, total]) + "\n"


DISK_PER_RUN = 60_000
"""Bytes that a run of a small model leaves on disk: configurations, journal, weights, and its rows in MLflow."""


def grouping_text(planned: Plan) -> str:
    """Return how a sweep's runs are grouped, in a line a group at the most."""
    lines = [
        f"{_grouped(planned)}, {planned.workers} "
        f"{'process' if planned.workers == 1 else 'processes'}; about {duration(planned.seconds)}"
    ]
    lines += [f"  {group.label}: one by one, because {group.alone}" for group, _ in planned.groups if group.alone]
    return "\n".join(lines) + "\n"


def _grouped(planned: Plan) -> str:
    runs = sum(len(group.jobs) for group, _ in planned.groups)
    groups, blocks = counted(len(planned.groups), "group"), counted(len(planned.blocks), "block")
    return f"{counted(runs, 'run')} in {groups} and {blocks}"


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return bytes in words."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
