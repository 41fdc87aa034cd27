"""What the parent run of a sweep records besides its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from framework.runs import provenance
from framework.runs.finished import Finished
from framework.sweeps.blocks import Ended
from framework.sweeps.leaderboard import Table
from framework.training import kept

MOST_REUSED = 20
"""Maximum number of reused runs that the parent's page names."""


def description(arguments: Sequence[str], runs: int, finished: Iterable[Ended]) -> str:
    """Return the parent's description in Markdown: the runs whose results are reused, and the command that repeats it.

    Args:
        arguments: the overrides after ``-m``.
        runs: the number of runs.
        finished: results of runs that are not trained.
    """
    command = provenance.command(arguments, sweep=True)
    reused = [f"- {end.name}: `{end.folder}`" for end in finished if isinstance(end, Finished) and end.reused]
    hidden = [f"- … and {len(reused) - MOST_REUSED} more: see `leaderboard.csv`"] if len(reused) > MOST_REUSED else []
    listed = "\n".join(["Results of earlier runs:\n", *reused[:MOST_REUSED], *hidden, "\n"]) if reused else ""
    return f"A sweep of {runs} runs.\n\n{listed}Run it again:\n\n```\n{command}\n```\n"


def best_figures(table: Table, *, several: bool) -> dict[str, float]:
    """Return the best setting's means, under names that no run uses, so that charts do not show the parent as a run."""
    best = table.settings[0]
    prefix = f"best/{table.problem}/" if several else "best/"
    figures = {name: best.spread(name) for name in kept.shown(best.figures)}
    means = {prefix + name.removeprefix(kept.PREFIX): spread.mean for name, spread in figures.items()}
    return {**means, f"{prefix}seeds": float(best.seeds)}
