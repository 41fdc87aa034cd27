"""Pictures of runs, drawn with Agg and Matplotlib's defaults whatever the user's settings are."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from framework.errors import said

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, INK = "#2a6fbb", "#d95f02", "#8a8f98", "#24292f"
DECADES = 1.5
"""Positive figures that span more than this are drawn on a logarithmic axis."""
NOT_METRICS = ("train/loss", "val/loss")


@dataclass(frozen=True)
class Picture:
    """A picture as PNG; a notebook shows it as the value of a cell."""

    png: bytes = field(repr=False)

    @classmethod
    def drawn(cls, draw: Callable[[Path], None]) -> Picture:
        """Return what ``draw`` writes to the file it is given."""
        with tempfile.TemporaryDirectory() as folder, plain_matplotlib():
            path = Path(folder) / "picture.png"
            draw(path)
            return cls(path.read_bytes())

    def _repr_png_(self) -> bytes:
        return self.png

    def save(self, path: str | Path) -> None:
        """Write it to a file."""
        Path(path).write_bytes(self.png)


def drawn(draw: Callable[[Path], None], path: Path, warn: Callable[[str], object]) -> bool:
    """Draw a picture and return True, or warn and return False: results are complete without their picture.

    Args:
        draw: writes the picture to the file it is given.
        path: the file.
        warn: takes the line that says why there is no picture.
    """
    try:
        with plain_matplotlib():
            draw(path)
    except Exception as error:  # noqa: BLE001 - Matplotlib, its fonts and files may raise anything
        warn(f"{path.name} was not drawn: {said(error)}")
        path.unlink(missing_ok=True)
        return False
    return True


@contextmanager
def plain_matplotlib() -> Iterator[None]:
    """Import Matplotlib and use its defaults: neither MPLBACKEND nor a matplotlibrc shall change or fail a picture.

    The backend that the user named stays theirs, for what they draw themselves in this process.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):  # there is no such backend: Matplotlib says so when the user draws
            matplotlib.rcParams["backend"] = backend
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file."""
    figure.savefig(path, dpi=144, format="png", backend="agg")


def curves(history: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw one run: loss, metric and learning rate against the optimizer step, the best epoch marked.

    Args:
        history: one row an epoch with ``step``, ``epoch``, ``train/loss``, ``val/loss``, ``lr`` and metrics. Figures
            may be missing, NaN or infinite: there the curve has a gap.
        path: the PNG file to write.
        title: above the picture.
    """
    names = dict.fromkeys(name for row in history for name in row if name.startswith(("train/", "val/")))
    metric = next((name.partition("/")[2] for name in names if name not in NOT_METRICS), None)
    panels = ["loss", *([metric] if metric else []), "lr"]
    figure = new_figure(4.2 * len(panels), 3.4, title)
    steps = _column(history, "step")
    best = _best(history)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False, sharex=True)[0], panels, strict=True):
        if panel == "lr":
            series = {"lr": (_column(history, "lr"), GREY)}
        else:
            series = {
                "train": (_column(history, f"train/{panel}"), BLUE),
                "validation": (_column(history, f"val/{panel}"), ORANGE),
            }
        _curves_panel(axes, steps, series)
        axes.set_title({"lr": "learning rate"}.get(panel, panel), loc="left", fontsize=10, color=INK)
        axes.set_xlabel("optimizer step", fontsize=9)
        if panel == "lr" and axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0)  # a constant rate would be drawn on an axis of rounding errors
        if best is not None and panel != "lr":
            _mark_best(axes, history[best], f"val/{panel}")
    save(figure, path)


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def draw_frame(axes: Axes, values: np.ndarray, along: Literal["x", "y"]) -> None:
    """Give the axes their quiet look, and a logarithmic scale along ``along`` where the values ask for it."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(which="both", colors=INK, labelsize=8, color=GREY)
    axes.grid(axis=along, color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and math.log10(finite.max() / finite.min()) > DECADES:
        axes.set(**{f"{along}scale": "log"})


def _curves_panel(axes: Axes, steps: np.ndarray, series: Mapping[str, tuple[np.ndarray, str]]) -> None:
    drawn = {name: (values, color) for name, (values, color) in series.items() if np.isfinite(values).any()}
    for name, (values, color) in drawn.items():
        marker = "o" if len(steps) <= 40 else ""
        axes.plot(steps, values, color=color, linewidth=1.6, marker=marker, markersize=3, label=name)
    draw_frame(axes, np.concatenate([values for values, _ in drawn.values()] or [np.empty(0)]), along="y")
    lost = ~np.any([np.isfinite(values) for values, _ in drawn.values()] or [np.ones(len(steps), bool)], axis=0)
    if lost.any():
        axes.axvspan(steps[lost][0], steps[-1], color="#f1f2f4", zorder=0, label="not finite")
    if len(drawn) > 1:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    if not drawn:
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", color=GREY)


def _mark_best(axes: Axes, row: Mapping[str, Any], name: str) -> None:
    value = _number(row.get(name))
    if not math.isfinite(value):
        return
    axes.axvline(row["step"], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
    axes.plot([row["step"]], [value], "o", color=ORANGE, markersize=7, markeredgecolor="white", zorder=4)
    axes.set_title(f"best epoch {row.get('epoch', '?')}: {value:.4g}", loc="right", fontsize=8, color=ORANGE)


def _best(history: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the place of the lowest validation loss, by which training picks its best epoch."""
    losses = _column(history, "val/loss")
    return int(np.nanargmin(losses)) if np.isfinite(losses).any() else None


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Return one column, NaN where a value is missing or infinite."""
    return np.array([_number(row.get(name)) for row in rows], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def shortened(name: str, most: int = 44) -> str:
    """Return a name of at most ``most`` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"
