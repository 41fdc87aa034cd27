"""A comparison in a folder: the page, the tables beside it, and the rest as JSON, from which it is read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from framework.errors import InputError
from framework.reports.animation import write_animations
from framework.reports.data_files import write_data
from framework.reports.page import write_page
from framework.study.comparison import Comparison, Problem, Reach, Standing
from framework.study.statistics import Pair, Summary
from framework.system import strict_json
from framework.system.files import read_regular, write_whole

FOLDER = "report"
"""Name of the folder of the report in the folder of a sweep or study."""

PAGE = "report.html"
CONTENT = "comparison.json"

FORMAT = 1

FRAMES = ("runs", "trials", "curves", "paths", "contours")
"""The parts of a comparison that are tables; the files of the other tables are for other programs only."""


def write_report(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the page and its data to a folder, which is made; return the files.

    Args:
        comparison: what is shown.
        folder: the report's own folder.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(exist_ok=True)
    rest = {name: value for name, value in vars(comparison).items() if name not in FRAMES}
    content = {"format": FORMAT, **_plain(rest)}
    write_whole(folder / CONTENT, strict_json.dumps(strict_json.spelled(content), indent=1).encode())
    files = [folder / CONTENT, *write_data(comparison, folder), *write_animations(comparison, folder)]
    write_page(comparison, folder / PAGE)
    return [folder / PAGE, *files]


def _plain(value: Any) -> Any:
    if isinstance(value, Standing | Pair | Problem):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_report(folder: Path) -> Comparison:
    """Return the comparison that `write_report` wrote to a folder.

    Raises:
        InputError: the folder does not hold one, or a file is damaged.
    """
    import pandas

    try:
        content = strict_json.unspelled(strict_json.loads(read_regular(folder / CONTENT)))
        if content.pop("format") != FORMAT:
            raise InputError(f"{folder / CONTENT} is of another format; this version reads format {FORMAT}")
        frames = {name: pandas.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
        return Comparison(
            **{
                **content,
                **frames,
                "problems": tuple(Problem(**each) for each in content["problems"]),
                "entrants": tuple(content["entrants"]),
                "standings": tuple(map(_standing, content["standings"])),
                "pairs": tuple(Pair(**each) for each in content["pairs"]),
                "groups": {name: tuple(map(tuple, groups)) for name, groups in content["groups"].items()},
                "protocol": tuple(content["protocol"]),
            }
        )
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no report: there is no {Path(str(error.filename)).name}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: the data of its report are damaged: {error}") from None


def _standing(row: Mapping[str, Any]) -> Standing:
    reach = row["steps_to_target"]
    own = {"summary": Summary(**row["summary"]), "notes": tuple(row["notes"])}
    return Standing(**{**row, **own, "steps_to_target": None if reach is None else Reach(**reach)})
