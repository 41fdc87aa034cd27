"""The result of a study for Python users: frames, the report's path, and a display for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.study.comparison import Comparison
from framework.study.text import comparison_text

if TYPE_CHECKING:
    import pandas

HEIGHT = 900
"""Height of the report in a notebook, in pixels."""


@dataclass(frozen=True)
class Embedded:
    """A page within a notebook's output.

    Attributes:
        html: what the notebook shows.
    """

    html: str

    def _repr_html_(self) -> str:
        return self.html


@dataclass(frozen=True)
class StudyResult:
    """The result of `framework.compare`.

    Attributes:
        comparison: everything that the report shows.
        folder: the study's folder.
        report: the report, one HTML file.
    """

    comparison: Comparison
    folder: Path
    report: Path

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        return self.comparison.verdict

    @property
    def runs(self) -> pandas.DataFrame:
        """One row per reporting run, as `Comparison.runs`."""
        return self.comparison.runs

    @property
    def trials(self) -> pandas.DataFrame:
        """One row per trial of the tuning, as `Comparison.trials`."""
        return self.comparison.trials

    @property
    def curves(self) -> pandas.DataFrame:
        """One row per reporting run and epoch, as `Comparison.curves`."""
        return self.comparison.curves

    @property
    def standings(self) -> pandas.DataFrame:
        """One row per problem and entrant, best mean first: rank, setting, figures and the difference to the best."""
        return _frame(_flat(asdict(standing)) for standing in self.comparison.standings)

    @property
    def pairs(self) -> pandas.DataFrame:
        """One row per pair of entrants and problem: mean difference, adjusted p, smallest detectable difference."""
        return _frame(asdict(pair) for pair in self.comparison.pairs)

    def show(self) -> Embedded:
        """Return the report for display in a notebook."""
        page = html.escape(self.report.read_text(encoding="utf-8"), quote=True)
        return Embedded(
            f'<iframe sandbox="allow-scripts" style="border:0" width="100%" height="{HEIGHT}" srcdoc="{page}"></iframe>'
        )

    def __repr__(self) -> str:
        return comparison_text(self.comparison).rstrip()


def _frame(rows: Iterable[dict[str, Any]]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(list(rows))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the values of its mappings as columns, and its remarks as one text."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "setting":
            flat[name] = " ".join(f"{field}={number:g}" for field, number in value.items())
        elif isinstance(value, dict):
            flat |= {key if name == "summary" else f"{name} {key}": item for key, item in value.items()}
        else:
            flat[name] = "; ".join(value) if isinstance(value, tuple) else value
    return flat
