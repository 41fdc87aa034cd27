"""Texts about a run: the layer table, the headline and the summary at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework.base.run import Run
from framework.system.formatting import counted, figure_text, table
from framework.training import kept
from framework.training.population import Population
from framework.training.record import Outcome


def layer_table(population: Population) -> str:
    """Return a table of the model's layers with output shapes and parameter counts."""
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
    """Return one line with the run's name, the problem, and the data set with the sizes of its splits."""
    data, config = population.data, run.config
    sizes = f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test"
    return f"{run.name} on {config['problem']}: data set {config['dataset']['name']} ({sizes})"


def figures(metrics: dict[str, float]) -> str:
    """Return a table of loss and metrics for the splits that were evaluated."""
    names = list(dict.fromkeys(name.split("/", 1)[1] for name in metrics))
    rows = [("", *names)]
    for split in dict.fromkeys(name.split("/", 1)[0] for name in metrics):
        rows.append((split, *(figure_text(metrics.get(f"{split}/{name}")) for name in names)))
    return table(rows)


ENDINGS = {"budget": "finished", "early stopping": "stopped early", "stopped": "stopped by a plugin"}
"""Texts for values of `Outcome.ended`; other values are shown unchanged."""


def summary(outcome: Outcome) -> str:
    """Return the summary of a run: its ending as in `ending`, and the table of its metrics."""
    advice = "; try a lower learning rate" if "lr" in outcome.run.config["optimizer"] else ""
    how = ending(outcome.ended, outcome.history, outcome.kept_epoch, advice)
    return f"{how}\n{figures(outcome.metrics)}"


def ending(ended: str, history: Sequence[Mapping[str, float]], kept_epoch: int | None, advice: str = "") -> str:
    """Return one line about a run's end: epochs, steps and time, and the kept epoch if it is not the last.

    Args:
        ended: as in `Outcome`, or ``"unfinished"``.
        history: one row per epoch.
        kept_epoch: the epoch whose parameters are kept, or None.
        advice: text that is added if the run diverged.
    """
    last = history[-1] if history else {}
    how = ENDINGS.get(ended, ended) + (f" at step {last.get('step', 0):,}{advice}" if ended == "diverged" else "")
    parts = [counted(len(history), "epoch"), counted(int(last.get("step", 0)), "step")]
    parts += [f"{last['time/seconds']:.2f} s of training"] if "time/seconds" in last else []
    which = f"; kept: the parameters of epoch {kept_epoch}" if kept_epoch not in (None, len(history)) else ""
    return f"{how}: {', '.join(parts)}{which}"


def one_line(outcome: Outcome) -> str:
    """Return one line about a finished run of a sweep: name, kept metrics, training time and ending."""
    ended = "" if outcome.ended == "budget" else f"  {outcome.ended}"
    figures = kept.recorded(outcome.metrics)
    shown = [f"{name} {figure_text(figures[name])}" for name in kept.shown(figures)]
    return f"{outcome.run.name}  {'  '.join(shown)}  {outcome.clock.share:.2f} s{ended}"
