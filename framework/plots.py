"""Pictures of runs, drawn with Agg and Matplotlib's defaults, independent of the user's settings."""

from __future__ import annotations

import io
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from framework.errors import InputError, format_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, INK = "#2a6fbb", "#d95f02", "#8a8f98", "#24292f"
DECADES = 1.5
"""Positive values that span more decades than this are drawn on a logarithmic axis."""
NOT_METRICS = ("train/loss", "val/loss")


DPI = 144
CSS_DPI = 96
"""CSS pixels per inch: a notebook shows a picture in its size in inches, with more image pixels than CSS pixels."""


@contextmanager
def plain_matplotlib() -> Iterator[None]:
    """Import Matplotlib and use its defaults inside a ``with`` block.

    Neither MPLBACKEND nor a matplotlibrc file may change a picture or make it fail. The user's backend stays set for
    figures that the user draws in this process. Matplotlib's own warnings, as of a folder for its settings that cannot
    be written, are not shown: the picture is the same.
    """
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with _defaults():
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _defaults() -> Iterator[None]:
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):  # an unknown backend: Matplotlib raises the error when the user draws
            matplotlib.rcParams["backend"] = backend
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


@dataclass(frozen=True)
class Picture:
    """A drawn figure; a notebook shows it as the value of a cell.

    Attributes:
        figure: the Matplotlib figure, which may be changed.
    """

    figure: Figure

    def __repr__(self) -> str:
        width, height = self._size(DPI)
        return f"<Picture of {width} x {height} pixels; .save(PATH) writes it>"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the PNG file and its display size in CSS pixels."""
        stream = io.BytesIO()
        self._write(stream, "png")
        width, height = self._size(CSS_DPI)
        return stream.getvalue(), {"width": width, "height": height}

    def save(self, path: str | Path) -> None:
        """Write the picture to a file in the format of the file name's suffix: ``.png``, ``.pdf``, ``.svg`` or another.

        Raises:
            InputError: Matplotlib does not support the format.
        """
        file = Path(path).expanduser()
        formats = self.figure.canvas.get_supported_filetypes()
        ending = file.suffix.removeprefix(".").lower()
        if ending not in formats:
            known = ", ".join(sorted(formats))
            raise InputError(f"{file}: the name must end in one of {known}")
        self._write(file, ending)

    @plain_matplotlib()
    def _write(self, file: Path | BinaryIO, kind: str) -> None:
        self.figure.savefig(file, format=kind, dpi=DPI)

    def _size(self, dpi: int) -> tuple[int, int]:
        width, height = self.figure.get_size_inches()
        return int(width * dpi), int(height * dpi)  # Matplotlib truncates too


def drawn(draw: Callable[[], Picture], path: Path, warn: Callable[[str], object]) -> bool:
    """Draw and save a picture and return True; if that fails, warn and return False.

    A failure is no error, because results are complete without their picture.

    Args:
        draw: function that returns the picture.
        path: the PNG file to write.
        warn: called with one line that has the reason.
    """
    try:
        draw().save(path)
    except Exception as error:  # noqa: BLE001 - Matplotlib, its fonts and files may raise anything
        warn(f"{path.name} was not drawn: {format_error(error)}")
        with suppress(OSError):  # the folder may be what cannot be written
            path.unlink(missing_ok=True)
        return False
    return True


@plain_matplotlib()
def curves(history: Sequence[Mapping[str, Any]], title: str, kept_epoch: int | None) -> Picture:
    """Return a picture of one run: loss, metric and learning rate against the optimizer step, the kept epoch marked.

    Args:
        history: one row per epoch with ``step``, ``epoch``, ``train/loss``, ``val/loss``, ``lr`` and metrics. The
            curve has a gap at values that are missing, NaN or infinite.
        title: title above the picture.
        kept_epoch: the epoch whose parameters are kept, or None.
    """
    names = dict.fromkeys(name for row in history for name in row if name.startswith(("train/", "val/")))
    metric = next((name.partition("/")[2] for name in names if name not in NOT_METRICS), None)
    panels = ["loss", *([metric] if metric else []), "lr"]
    figure = new_figure(4.2 * len(panels), 3.4, title)
    steps = _column(history, "step")
    kept = next((row for row in history if row["epoch"] == kept_epoch), None)
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
            axes.set_ylim(bottom=0)  # else the axis of a constant rate would show rounding errors
        if kept is not None and panel != "lr":
            _mark_kept(axes, kept, f"val/{panel}")
    return Picture(figure)


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure with a title; ``width`` and ``height`` are in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def draw_frame(axes: Axes, values: np.ndarray, along: Literal["x", "y"]) -> None:
    """Style the axes; set a logarithmic scale on the axis ``along`` if the values span more than `DECADES`.

    Args:
        axes: the axes.
        values: the values that are drawn along ``along``. The scale stays linear unless all finite ones are positive.
        along: the axis of the values.
    """
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


def _mark_kept(axes: Axes, row: Mapping[str, Any], name: str) -> None:
    value = _number(row.get(name))
    if not math.isfinite(value):
        return
    axes.axvline(row["step"], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
    axes.plot([row["step"]], [value], "o", color=ORANGE, markersize=7, markeredgecolor="white", zorder=4)
    axes.set_title(f"kept epoch {row['epoch']}: {value:.4g}", loc="right", fontsize=8, color=ORANGE)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Return one column as float64, with NaN for missing and infinite values."""
    return np.array([_number(row.get(name)) for row in rows], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def shortened(name: str, most: int = 44) -> str:
    """Return ``name``, cut to ``most`` characters with an ellipsis at the end if it is longer."""
    return name if len(name) <= most else name[: most - 1] + "…"
