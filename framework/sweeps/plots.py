"""Plots of a sweep: learning-rate sensitivity if learning rates were swept, otherwise settings with their seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.errors import InputError
from framework.plots import GREY, INK, Picture, draw_frame, new_figure, plain_matplotlib, shortened
from framework.sweeps.by_setting import Setting, best_of_each
from framework.sweeps.leaderboard import Table
from framework.sweeps.text import title as heading
from framework.system.formatting import counted
from framework.training.kept import TEST, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#332288", "#882255", "#117733")
"""Distinguishable with color-vision deficiency (Okabe & Ito 2008, then Paul Tol's); markers differ as well."""
MARKERS = "osD^vPX<>h"
MOST_LINES = len(COLORS)
MOST_ROWS = 40
MOST_PANELS = 6


@plain_matplotlib()
def sweep_picture(found: Sequence[Table]) -> Picture:
    """Return a picture of a sweep, one panel per table.

    The setting with the best validation mean over seeds is highlighted.

    Args:
        found: the sweep's tables; those beyond `MOST_PANELS` are left out.

    Raises:
        InputError: there is no table.
    """
    if not found:
        raise InputError("there are no runs to draw")
    panels = [(one, _rate_lines(one)) for one in found[:MOST_PANELS]]
    heights = [3.6 if lines else 1.2 + 0.28 * max(3, min(MOST_ROWS, len(one.settings))) for one, lines in panels]
    runs = sum(len(one.runs) + len(one.lost) for one in found)
    title = f"{', '.join(dict.fromkeys(one.problem for one in found))}: {counted(runs, 'run')}"
    left_out = f" (first {MOST_PANELS} of {len(found)} tables)" if len(found) > MOST_PANELS else ""
    figure = new_figure(9, sum(heights) + 0.4, title + left_out)
    grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    styles = _styles(found)
    for axes, (one, lines) in zip(grid, panels, strict=True):
        if lines:
            _draw_rates(axes, one, lines, styles)
        else:
            _draw_settings(axes, one)
        if len(found) > 1 or one.shared:
            axes.set_title(heading(one), loc="left", fontsize=10, color=INK)
    return Picture(figure)


def _rate_lines(one: Table) -> dict[str, list[Setting]]:
    """Return each optimizer's settings by increasing learning rate; empty if no learning rate was swept.

    If other values were swept as well, each rate has its best setting.
    """
    lines: dict[str, dict[float, Setting]] = {}
    for setting in one.settings:
        if setting.lr is not None and setting.lr > 0 and setting.spread(one.figure).count:
            lines.setdefault(setting.optimizer, {}).setdefault(setting.lr, setting)
    if all(len(rates) < 2 for rates in lines.values()):
        return {}
    return {name: [rates[lr] for lr in sorted(rates)] for name, rates in lines.items()}


def _styles(found: Sequence[Table]) -> dict[str, dict[str, Any]]:
    """Return each optimizer's color and marker, the same in all panels; they repeat after `MOST_LINES` optimizers."""
    names = dict.fromkeys(setting.optimizer for one in found for setting in one.settings)
    return {
        name: {"color": COLORS[place % MOST_LINES], "marker": MARKERS[place % MOST_LINES]}
        for place, name in enumerate(names)
    }


def _draw_rates(
    axes: Axes, one: Table, lines: Mapping[str, Sequence[Setting]], styles: Mapping[str, Mapping[str, Any]]
) -> None:
    best = {setting.optimizer: setting for setting in best_of_each(one.settings)}
    drawn = []
    for name, settings in list(lines.items())[:MOST_LINES]:
        rates = np.array([setting.lr for setting in settings], dtype=np.float64)
        spreads = [setting.spread(one.figure) for setting in settings]
        mean = np.array([spread.mean for spread in spreads])
        deviation = np.array([spread.deviation or 0.0 for spread in spreads])
        style: dict[str, Any] = dict(styles[name])
        axes.plot(rates, mean, linewidth=1.5, markersize=4, label=_label(best[name], one), **style)
        axes.fill_between(rates, mean - deviation, mean + deviation, color=style["color"], alpha=0.15, linewidth=0)
        chosen = best[name].spread(one.figure).mean
        axes.plot([best[name].lr or math.nan], [chosen], markersize=9, markeredgecolor="white", zorder=4, **style)
        drawn.append(mean)
    draw_frame(axes, np.concatenate(drawn), along="y")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate   (large mark: best mean on validation; band: ± standard deviation)", fontsize=9)
    axes.set_ylabel(one.figure, fontsize=9)
    hidden = len(lines) - len(drawn)
    head = f"best {len(drawn)} of {len(lines)} optimizers" if hidden > 0 else "optimizer, best setting"
    axes.legend(
        frameon=False, fontsize=8, labelcolor=INK, title=head, title_fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
    )


def _label(setting: Setting, one: Table) -> str:
    tested = setting.spread(TEST + one.figure.removeprefix(VALIDATION)).mean
    rest = "" if math.isnan(tested) else f"  (test {tested:.4g})"
    return shortened(one.short_name(setting), 36) + rest


def _draw_settings(axes: Axes, one: Table) -> None:
    """Draw one row per setting, the best first: seeds as dots, the mean as a bar."""
    shown = one.settings[:MOST_ROWS]
    seeds: dict[str, list[float]] = {}
    for run in one.runs:
        seeds.setdefault(run["setting"], []).append(float(run[one.figure]))
    drawn = []
    for place, setting in enumerate(shown):
        color = COLORS[1] if place == 0 else COLORS[0]
        values = np.array([value for value in seeds.get(setting.name, []) if math.isfinite(value)])
        axes.plot(values, np.full(len(values), place), "o", color=color, markersize=4.5, alpha=0.45, markeredgewidth=0)
        mean = setting.spread(one.figure).mean
        axes.plot([mean], [place], "|", color=color, markersize=13, markeredgewidth=2.4)
        drawn.append(values)
        _note(axes, place, setting, one)
    draw_frame(axes, np.concatenate(drawn), along="x")
    axes.set_yticks(range(len(shown)), [shortened(one.short_name(setting), 60) for setting in shown], fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    hidden = len(one.settings) - len(shown)
    rest = f"; {hidden} more in settings.csv" if hidden > 0 else ""
    axes.set_xlabel(f"{one.figure}   (dots: seeds; bar: mean; best mean on validation first{rest})", fontsize=9)


def _note(axes: Axes, place: int, setting: Setting, one: Table) -> None:
    words: list[Any] = [f"{setting.spread(one.figure).mean:#.4g}"] if setting.spread(one.figure).count else []
    words += [f"{n} {how}" for n, how in ((setting.diverged, "diverged"), (setting.failed, "failed")) if n]
    weight = "bold" if place == 0 else "normal"
    axes.text(
        1.01,
        place,
        "   ".join(words),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8,
        color=INK if words else GREY,
        fontweight=weight,
    )
