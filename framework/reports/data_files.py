"""The data of a report as files, for other programs: CSV and Parquet with all digits and infinite values."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from framework.study.comparison import Comparison
from framework.system.files import write_whole

if TYPE_CHECKING:
    import pandas

NAMES = ("standings", "pairs", "runs", "trials", "curves", "paths", "contours")
"""The tables; each is written as NAME.csv and NAME.parquet."""


def write_data(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables of a comparison, one CSV and one Parquet file each, and return the files.

    In CSV files ``inf`` and ``-inf`` are infinite values, and an empty field is NaN. A table without rows is written
    with its columns only.

    Args:
        comparison: the comparison.
        folder: an existing folder.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for name, table in tables(comparison).items():
        for ending, content in ((".csv", _csv(table)), (".parquet", _parquet(table))):
            write_whole(folder / f"{name}{ending}", content)
            written.append(folder / f"{name}{ending}")
    return written


def tables(comparison: Comparison) -> dict[str, pandas.DataFrame]:
    """Return the tables by name, with plain columns."""
    return {
        "standings": _standings(comparison),
        "pairs": _pairs(comparison),
        "runs": comparison.runs,
        "trials": comparison.trials,
        "curves": comparison.curves,
        "paths": comparison.paths,
        "contours": comparison.contours,
    }


def _standings(comparison: Comparison) -> pandas.DataFrame:
    import pandas

    rows = []
    for each in comparison.standings:
        reach = each.steps_to_target
        rows.append(
            {
                "problem": each.problem,
                "entrant": each.entrant,
                "rank": each.rank,
                "setting": json.dumps(dict(each.setting)),
                **asdict(each.summary),
                "difference": each.difference,
                "p": each.p,
                "diverged": each.diverged,
                "failed": each.failed,
                "steps": each.steps,
                "evaluations": each.evaluations,
                "steps_to_target": reach.median if reach else float("nan"),
                "steps_to_target_low": reach.low if reach else float("nan"),
                "steps_to_target_high": reach.high if reach else float("nan"),
                "reached": reach.reached if reach else 0,
                "step_seconds": each.step_seconds,
                "notes": "; ".join(each.notes),
            }
        )
    return pandas.DataFrame(rows)


def _pairs(comparison: Comparison) -> pandas.DataFrame:
    import pandas

    columns = ("problem", "first", "second", "difference", "p", "detectable", "distinguishable")
    rows = [[getattr(pair, name) for name in columns] for pair in comparison.pairs]
    return pandas.DataFrame(rows, columns=list(columns))


def _csv(table: pandas.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8", "backslashreplace")


def _parquet(table: pandas.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, engine="pyarrow", index=False)
    return stream.getvalue()
