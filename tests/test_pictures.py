"""Pictures: the figures drawn are the figures given, and odd tables and diverged runs are drawn too."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framework import pictures
from framework.pictures import curves, drawn


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that is made, to look at what was drawn on it."""
    made: list[Any] = []
    make = pictures.new_figure

    def kept(*arguments: Any) -> Any:
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(pictures, "new_figure", kept)
    return made


def row(epoch: int, train: float, validation: float, **more: float) -> dict[str, Any]:
    return {"epoch": epoch, "step": 10 * epoch, "lr": 0.1 / epoch, "train/loss": train, "val/loss": validation, **more}


def line(axes: Any, label: str) -> Any:
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return found


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def test_curves_show_loss_metric_and_rate(tmp_path: Path, figures: list[Any]) -> None:
    accuracy = {"train/accuracy": 0.5, "val/accuracy": 0.75}
    history = [row(1, 1.0, 0.9, **accuracy), row(2, 0.5, 0.4, **accuracy), row(3, 0.3, 0.6, **accuracy)]
    curves(history, tmp_path / "a.png", title="adam")
    loss, metric, rate = figures[0].axes
    assert [axes.get_title("left") for axes in (loss, metric, rate)] == ["loss", "accuracy", "learning rate"]
    assert line(loss, "train").get_xdata().tolist() == [10, 20, 30]
    assert line(loss, "train").get_ydata().tolist() == [1.0, 0.5, 0.3]
    assert line(loss, "validation").get_ydata().tolist() == [0.9, 0.4, 0.6]
    assert line(metric, "validation").get_ydata().tolist() == [0.75] * 3
    assert line(rate, "lr").get_ydata().tolist() == [0.1, 0.05, 0.1 / 3]
    assert loss.get_title("right") == "best epoch 2: 0.4"
    assert metric.get_title("right") == "best epoch 2: 0.75"
    assert loss.get_yscale() == "linear"
    assert png_size(tmp_path / "a.png")[0] > 1000


def test_a_loss_over_many_decades_gets_a_logarithmic_axis(tmp_path: Path, figures: list[Any]) -> None:
    curves([row(1, 10.0, 9.0), row(2, 0.1, 0.2)], tmp_path / "a.png", title="")
    curves([row(1, 10.0, 9.0), row(2, 0.0, 0.2)], tmp_path / "b.png", title="")  # no logarithm of zero
    assert [figure.axes[0].get_yscale() for figure in figures] == ["log", "linear"]
    assert len(figures[0].axes) == 2  # no metric, no panel for it


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_diverged_run_is_drawn_up_to_where_it_went(tmp_path: Path, figures: list[Any], epochs: int) -> None:
    history = [row(1, 1.0, 2.0), row(2, math.nan, math.inf), row(3, math.nan, math.nan)][:epochs]
    curves(history, tmp_path / "a.png", title="")
    loss = figures[0].axes[0]
    assert np.isfinite(line(loss, "validation").get_ydata()).sum() == 1
    assert loss.get_title("right") == "best epoch 1: 2"


def test_a_run_without_one_finite_figure_is_drawn(tmp_path: Path, figures: list[Any]) -> None:
    curves([row(1, math.nan, math.nan)], tmp_path / "a.png", title="")
    assert figures[0].axes[0].texts[0].get_text() == "no finite values"


def test_a_picture_that_cannot_be_drawn_is_a_warning(tmp_path: Path) -> None:
    path, said = tmp_path / "a.png", list[str]()

    def draw(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("no\nfont")

    assert not drawn(draw, path, said.append)
    assert said == ["a.png was not drawn: RuntimeError: no font"]
    assert list(tmp_path.iterdir()) == []
    assert drawn(Path.touch, path, said.append) and len(said) == 1


DRAW = """
import os, sys
from pathlib import Path
from framework.pictures import curves, drawn
path, backend = Path(sys.argv[1]), os.environ["MPLBACKEND"]
history = [{"step": 1, "epoch": 1, "lr": 0.1, "train/loss": 1.0, "val/loss": 1.0}]
assert drawn(lambda path: curves(history, path, title="a"), path, sys.exit)
assert path.stat().st_size
assert os.environ["MPLBACKEND"] == backend
import matplotlib
assert matplotlib.rcParams["text.usetex"], "the user's own settings are gone"
print(matplotlib.rcParams["backend"])
"""


@pytest.mark.parametrize("backend", ["no_such_backend", "module://not_installed", "svg"])
def test_the_users_settings_neither_fail_a_picture_nor_get_lost(tmp_path: Path, backend: str) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.format: pdf\n")  # text by LaTeX would fail
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "a.png")],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": backend, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout.strip() == backend) == (backend != "no_such_backend")


def test_neither_import_nor_drawing_touches_pyplot(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from framework.pictures import curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "curves([{'step': 1, 'epoch': 1, 'val/loss': 1.0}], Path(sys.argv[1]), title='')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
