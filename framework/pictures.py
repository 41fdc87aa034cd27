"""Pictures of runs and sweeps, drawn without a window or any global state of matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from framework import kept

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, INK = "#2a6fbb", "#d95f02", "#8a8f98", "#24292f"
DECADES = 1.5
"""Positive figures that span more than this are drawn on a logarithmic axis."""
MOST_ROWS = 40
NOT_METRICS = ("train/loss", "val/loss")


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
    figure = _figure(4.2 * len(panels), 3.4, title)
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
    figure.savefig(path, dpi=144)


def leaderboard(table: Iterable[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw a sweep: one line an optimizer (or a run, where all have one), all runs as dots, the best labelled.

    Args:
        table: one row a run, best first, with ``run``, ``optimizer`` and the figures of `framework.kept`. The first
            metric beside the loss is drawn, of the test split where there is one.
        path: the PNG file to write.
        title: above the picture.
    """
    rows = list(table)
    metric = _ranked_by(rows)
    groups = _grouped(rows)
    shown = dict(list(groups.items())[:MOST_ROWS])
    by_run = len(groups) == len(rows)
    height = 1.4 + max(len(shown), 3) * (0.36 if len(shown) <= 12 else 0.24)
    left_out = f" (best {len(shown)} of {len(groups)})" if len(groups) > len(shown) else ""
    figure = _figure(9, height, title + left_out)
    axes = figure.subplots()
    for place, members in enumerate(shown.values()):
        _leaderboard_line(axes, place, [_number(row.get(metric)) for row in members], winner=place == 0)
    values = np.array([_number(row.get(metric)) for members in shown.values() for row in members])
    _frame(axes, values, along="x")
    for place, members in enumerate(shown.values()):
        _leaderboard_label(axes, place, members, metric, by_run=by_run)
    axes.set_yticks(range(len(shown)), [_shortened(name) for name in shown], fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    note = "best on validation first" if by_run else "large dot: the run that was best on validation"
    axes.set_xlabel(f"{metric}   ({note})", fontsize=9)
    figure.savefig(path, dpi=144)


def _figure(width: float, height: float, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def _frame(axes: Axes, values: np.ndarray, along: Literal["x", "y"]) -> None:
    """Give the axes their quiet look, and a logarithmic scale along ``along`` where the values ask for it."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8, color=GREY)
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
    _frame(axes, np.concatenate([values for values, _ in drawn.values()] or [np.empty(0)]), along="y")
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


def _leaderboard_line(axes: Axes, place: int, values: Sequence[float], *, winner: bool) -> None:
    color = ORANGE if winner else BLUE
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        axes.plot([min(finite), max(finite)], [place, place], color=color, linewidth=1.2, alpha=0.35, zorder=1)
        axes.plot(
            finite, [place] * len(finite), "o", color=color, markersize=4.5, alpha=0.45, markeredgewidth=0, zorder=2
        )
    if values and math.isfinite(values[0]):
        axes.plot([values[0]], [place], "o", color=color, markersize=8.5, markeredgecolor="white", zorder=3)


def _leaderboard_label(
    axes: Axes, place: int, members: Sequence[Mapping[str, Any]], metric: str, *, by_run: bool
) -> None:
    """Write the best value, and by which settings it came, at the right of the line."""
    values = [_number(row.get(metric)) for row in members]
    lost = sum(not math.isfinite(value) for value in values)
    words = [f"{values[0]:#.4g}"] if math.isfinite(values[0]) else []
    if not by_run and members[0].get("lr") is not None:
        words.append(f"lr={members[0]['lr']:g}")
    if not by_run and len(members) > 1:
        words.append(f"{len(members)} runs")
    if lost:
        words.append(f"{lost} diverged" if len(members) > 1 else "diverged")
    transform = axes.get_yaxis_transform()
    weight = "bold" if place == 0 else "normal"
    axes.text(
        1.01, place, "   ".join(words), transform=transform, va="center", fontsize=8, color=INK, fontweight=weight
    )


def _grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows by optimizer, or by run where all have one optimizer; both in the order of the table."""
    optimizers = dict.fromkeys(str(row.get("optimizer", row.get("run"))) for row in rows)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for place, row in enumerate(rows):
        name = str(row.get("optimizer", row.get("run"))) if len(optimizers) > 1 else str(row.get("run", place))
        groups.setdefault(name, []).append(row)
    return groups


def _ranked_by(rows: Sequence[Mapping[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    for split in (kept.TEST, kept.VALIDATION):
        found = [name for name in names if name.startswith(split)]
        if found:
            return next((name for name in found if name != f"{split}loss"), f"{split}loss")
    raise ValueError(f"no row of the table has a {kept.TEST}… or {kept.VALIDATION}… figure")


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Return one column, NaN where a value is missing or infinite."""
    return np.array([_number(row.get(name)) for row in rows], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _shortened(name: str, most: int = 44) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
