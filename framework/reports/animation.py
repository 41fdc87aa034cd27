"""Animated paths of two-dimensional problems as files: GIF, SVG and, if ffmpeg is installed, MP4."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framework.errors import format_error, one_line, warn
from framework.plots import INK, new_figure, plain_matplotlib, shortened
from framework.reports.numbers import positions
from framework.reports.valleys import Valley, valleys_of
from framework.study.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D
    from PIL.Image import Image

MOST_PATHS = 12
"""Most paths in a picture: those with the best mean figures."""
FRAMES = 60
FRAMES_PER_SECOND = 15
LAST_MILLISECONDS = 2_000
"""Time for which the last frame of a GIF stays."""
FFMPEG_SECONDS = 120.0
"""Longest time for which ffmpeg may run."""
INCHES, FRAME_DPI = (7.0, 5.0), 96
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1b1f24", "#7A6A00")
DASHES = ("-", "--", ":", "-.")
MARKERS = "osD^PXvp*h"
LEVELS = 24
"""Contour lines."""


def write_animations(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the paths on each two-dimensional problem as PROBLEM.svg and PROBLEM.gif, and as PROBLEM.mp4 with ffmpeg.

    Args:
        comparison: the comparison.
        folder: an existing folder.

    Returns:
        The files; none without two-dimensional problems.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for valley in valleys_of(comparison):
        name = re.sub(r"[^\w.-]", "_", valley.problem)
        ordered = [each.entrant for each in comparison.standings if each.problem == valley.problem]
        best = [entrant for entrant in ordered if entrant in valley.paths][:MOST_PATHS]
        if best:
            shown = replace(valley, paths={entrant: valley.paths[entrant] for entrant in best})
            of = f": the best {len(best)} of {len(valley.paths)}" if len(best) < len(valley.paths) else ""
            written += _write(
                shown, positions(comparison.entrants), shortened(valley.problem) + of, folder / f"{name}.svg"
            )
    return written


@plain_matplotlib()
def _write(valley: Valley, place: Mapping[str, int], title: str, picture: Path) -> list[Path]:
    """Write the files of one problem; entrants have the colours of their places, as on the page."""
    from matplotlib import rcParams

    rcParams["svg.hashsalt"] = "report"  # equal pictures have equal bytes
    figure = new_figure(*INCHES, _as_typed(title))
    axes = figure.subplots()
    lines = _draw(axes, valley, place)
    figure.savefig(picture, format="svg", metadata={"Date": None})
    figure.set_layout_engine("none")  # the axes stay in place in all frames
    figure.set_dpi(FRAME_DPI)
    frames = _frames(axes, valley, lines)
    _write_gif(frames, picture.with_suffix(".gif"))
    film = picture.with_suffix(".mp4")
    more = [film] if shutil.which("ffmpeg") and _write_mp4(frames, film) else []
    return [picture, picture.with_suffix(".gif"), *more]


def _draw(axes: Axes, valley: Valley, place: Mapping[str, int]) -> dict[str, tuple[Line2D, Line2D]]:
    """Draw contours, minima and whole paths; return each entrant's line and the marker at its end."""
    levels = np.linspace(0, 1, LEVELS)
    axes.contourf(valley.x, valley.y, valley.heights, levels, cmap="Greys", vmin=-0.1, vmax=4)
    axes.contour(valley.x, valley.y, valley.heights, levels, colors="#a2a2a2", linewidths=0.5)
    lines = {}
    for entrant, path in valley.paths.items():
        color, turn = COLORS[place[entrant] % 8], place[entrant] + place[entrant] // 8
        (line,) = axes.plot(path[:, 1], path[:, 2], DASHES[turn % 4], color=color, linewidth=2)
        marker = MARKERS[turn % 10]
        label = _as_typed(shortened(entrant, 24))
        (end,) = axes.plot(path[-1:, 1], path[-1:, 2], marker, color=color, markersize=8, label=label)
        lines[entrant] = (line, end)
    axes.plot(*valley.minima.T, "*", color=INK, markersize=13, zorder=3)
    axes.set(xlim=valley.x[[0, -1]], ylim=valley.y[[0, -1]], xlabel="x (no unit)", ylabel="y (no unit)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return lines


def _as_typed(text: str) -> str:
    """Return a text in which Matplotlib finds no formula."""
    return text.replace("$", r"\$")


def _frames(axes: Axes, valley: Valley, lines: Mapping[str, tuple[Line2D, Line2D]]) -> list[Image]:
    """Return the frames as RGB pictures; only the paths are drawn anew in each.

    The steps follow the square of the time, since optimizers move fastest at the start.
    """
    from PIL import Image

    canvas: FigureCanvasAgg = axes.figure.canvas  # type: ignore[assignment]
    artists = [artist for pair in lines.values() for artist in pair]
    for artist in artists:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(axes.figure.bbox)
    last = max(path[-1, 0] for path in valley.paths.values())
    frames = []
    for step in last * np.linspace(0, 1, FRAMES) ** 2:
        canvas.restore_region(background)
        for entrant, (line, end) in lines.items():
            path = valley.paths[entrant]
            until = max(1, int(np.searchsorted(path[:, 0], step, side="right")))
            line.set_data(path[:until, 1], path[:until, 2])
            end.set_data(path[until - 1 : until, 1], path[until - 1 : until, 2])
        for artist in artists:
            axes.draw_artist(artist)
        frames.append(Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB"))
    return frames


def _write_gif(frames: Sequence[Image], file: Path) -> None:
    """Write an animation that repeats; all frames share the last one's colours."""
    from PIL.Image import Dither, Quantize

    palette = frames[-1].quantize(256, method=Quantize.FASTOCTREE)  # others join the colours of thin paths
    pictures = [frame.quantize(palette=palette, dither=Dither.NONE) for frame in frames]
    times = [1000 // FRAMES_PER_SECOND] * (len(pictures) - 1) + [LAST_MILLISECONDS]
    pictures[0].save(file, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=False)


def _write_mp4(frames: Sequence[Image], file: Path) -> bool:
    """Write a film with the ffmpeg of the system and return True; if that fails, warn and return False.

    A failure is no error, because the GIF shows the same. The codec needs even numbers of pixels.
    """
    width, height = (length // 2 * 2 for length in frames[0].size)
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FRAMES_PER_SECOND), "-i", "-")
    command = ("ffmpeg", "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", str(file))
    pixels = b"".join(frame.crop((0, 0, width, height)).tobytes() for frame in frames)
    try:
        subprocess.run(command, input=pixels, check=True, capture_output=True, timeout=FFMPEG_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        reason = one_line(said.decode(errors="replace")) or format_error(error)
        warn(f"{file.name} was not made, because ffmpeg failed: {reason}")
        file.unlink(missing_ok=True)
        return False
    return True
