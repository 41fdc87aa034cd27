"""The history of a run: a list with one mapping per epoch, shown as a table in notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from framework.system.formatting import figure_text
from framework.system.html import block, table

if TYPE_CHECKING:
    import pandas


MOST_SHOWN = 20
"""Number of epochs above which a notebook's table leaves out the middle ones."""


EVALUATIONS = "evaluations"
"""Name of the gradient evaluations so far in a row of the history; runs with one per step do not record it."""


class History(list[dict[str, float]]):
    """One row per epoch: ``epoch``, ``step``, ``lr``, ``time/…`` and all metrics, as a list of mappings.

    With an optimizer that evaluates the loss within a step, each row has the ``evaluations`` so far, too.
    """

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas frame with the epoch as its index: ``result.history.to_frame()["val/loss"]``."""
        import pandas

        frame = pandas.DataFrame(list(self))
        return frame if frame.empty else frame.set_index("epoch")

    def __repr__(self) -> str:
        return repr(self.to_frame()) if self else "History of no epochs"

    def _repr_html_(self) -> str | None:
        """Return an HTML table of the first and last epochs, or None if there are none; IPython then shows the text."""
        return history_html(self) if self else None


def evaluations_of(history: Sequence[Mapping[str, float]]) -> int:
    """Return the gradient evaluations of a run so far; without a record of them they are as many as its steps."""
    last = history[-1] if history else {"step": 0}
    return int(last.get(EVALUATIONS, last["step"]))


def steps_to_target(history: Sequence[Mapping[str, float]], figure: str, target: float, *, greater: bool) -> float:
    """Return the step of the first epoch at whose end a figure has reached the target; infinity if it never has.

    What follows does not matter: a run that reached the target and diverged later has reached it.

    Args:
        history: one row per epoch.
        figure: name of the figure in each row, such as ``"val/accuracy"``; a missing one or NaN reaches no target.
        target: the value to reach, itself included.
        greater: whether greater figures are better.
    """
    for row in history:
        value = row.get(figure, math.nan)
        if value >= target if greater else value <= target:
            return float(row["step"])
    return math.inf


def history_html(history: Sequence[Mapping[str, float]]) -> str:
    """Return the epochs of a run as an HTML table.

    The middle ones are left out if there are more than `MOST_SHOWN`. The ``time/…`` columns come last.
    """
    names = list(dict.fromkeys(name for row in history for name in row))
    names.sort(key=lambda name: name.startswith("time/"))
    rows = [tuple(_entry(row.get(name)) for name in names) for row in history]
    if len(rows) > MOST_SHOWN:
        rows[MOST_SHOWN // 2 : -MOST_SHOWN // 2] = [("…",) * len(names)]
    return block(table([names, *rows]))


def _entry(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else figure_text(value)
