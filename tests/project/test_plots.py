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

from framework.errors import InputError
from framework.plots import Picture, curves, drawn


def row(epoch: int, train: float, validation: float, **more: float) -> dict[str, Any]:
    return {"epoch": epoch, "step": 10 * epoch, "lr": 0.1 / epoch, "train/loss": train, "val/loss": validation, **more}


def line(axes: Any, label: str) -> Any:
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return found


def test_curves_show_loss_metric_and_rate() -> None:
    accuracy = {"train/accuracy": 0.5, "val/accuracy": 0.75}
    history = [row(1, 1.0, 0.9, **accuracy), row(2, 0.5, 0.4, **accuracy), row(3, 0.3, 0.6, **accuracy)]
    loss, metric, rate = curves(history, title="adam", kept_epoch=3).figure.axes
    assert [axes.get_title("left") for axes in (loss, metric, rate)] == ["loss", "accuracy", "learning rate"]
    assert line(loss, "train").get_xdata().tolist() == [10, 20, 30]
    assert line(loss, "train").get_ydata().tolist() == [1.0, 0.5, 0.3]
    assert line(loss, "validation").get_ydata().tolist() == [0.9, 0.4, 0.6]
    assert line(metric, "validation").get_ydata().tolist() == [0.75] * 3
    assert line(rate, "lr").get_ydata().tolist() == [0.1, 0.05, 0.1 / 3]
    assert loss.get_yscale() == "linear"


@pytest.mark.parametrize(("kept", "loss"), [(2, 0.4), (3, 0.6)], ids=["lowest", "last"])
def test_the_kept_epoch_is_marked_on_validation(kept: int, loss: float) -> None:
    history = [row(1, 1.0, 0.9), row(2, 0.5, 0.4), row(3, 0.3, 0.6)]
    axes, rate = curves(history, title="", kept_epoch=kept).figure.axes
    assert axes.get_title("right") == f"kept epoch {kept}: {loss}"
    marks = [line.get_xydata().tolist() for line in axes.get_lines() if line.get_markersize() == 7]
    assert marks == [[[10 * kept, loss]]]
    assert rate.get_title("right") == ""


def test_a_loss_over_many_decades_gets_a_logarithmic_axis() -> None:
    many = curves([row(1, 10.0, 9.0), row(2, 0.1, 0.2)], title="", kept_epoch=2).figure.axes
    zero = curves([row(1, 10.0, 9.0), row(2, 0.0, 0.2)], title="", kept_epoch=2).figure.axes  # it has no logarithm
    assert [axes[0].get_yscale() for axes in (many, zero)] == ["log", "linear"]
    assert len(many) == 2  # no metric, no panel for it


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_diverged_run_is_drawn_up_to_where_it_went(epochs: int) -> None:
    history = [row(1, 1.0, 2.0), row(2, math.nan, math.inf), row(3, math.nan, math.nan)][:epochs]
    loss = curves(history, title="", kept_epoch=epochs).figure.axes[0]
    assert np.isfinite(line(loss, "validation").get_ydata()).sum() == 1
    assert loss.get_title("right") == ("kept epoch 1: 2" if epochs == 1 else "")


@pytest.mark.parametrize("history", [[row(1, math.nan, math.nan)], []], ids=["diverged", "no-epochs"])
def test_a_run_without_one_finite_figure_is_drawn(history: list[dict[str, Any]]) -> None:
    picture = curves(history, title="", kept_epoch=len(history) or None)
    assert picture.figure.axes[0].texts[0].get_text() == "no finite values"
    assert picture._repr_png_()[0]


def test_a_notebook_gets_a_png_in_its_size_in_inches() -> None:
    picture = curves([row(1, 1.0, 0.9)], title="", kept_epoch=1)
    data, size = picture._repr_png_()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    inches = picture.figure.get_size_inches()
    assert (size["width"] / 96, size["height"] / 96) == pytest.approx(tuple(inches), abs=0.011)
    assert (width, height) == pytest.approx((1.5 * size["width"], 1.5 * size["height"]), abs=2)
    assert repr(picture) == f"<Picture of {width} x {height} pixels; .save(PATH) writes it>"


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")], ids=["png", "pdf", "svg"]
)
def test_a_picture_is_saved_in_the_format_of_its_name(tmp_path: Path, name: str, begins: bytes) -> None:
    curves([row(1, 1.0, 0.9)], title="", kept_epoch=1).save(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["a.xyz", "a"])
def test_a_picture_in_no_known_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"the name must end in one of .*\bpdf, .*png"):
        curves([row(1, 1.0, 0.9)], title="", kept_epoch=1).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_drawn_is_a_warning(tmp_path: Path) -> None:
    path, said = tmp_path / "a.png", list[str]()

    class Half(Picture):
        def save(self, path: str | Path) -> None:
            Path(path).write_bytes(b"half")
            raise RuntimeError("no\nfont")

    assert not drawn(lambda: Half(curves([], "", None).figure), path, said.append)
    assert said == ["a.png was not drawn: RuntimeError: no font"]
    assert list(tmp_path.iterdir()) == []
    assert drawn(lambda: curves([], "", None), path, said.append) and len(said) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("no Agg"), OSError("full")], ids=["memory", "agg", "disk"]
)
def test_a_picture_without_memory_or_disk_is_a_warning(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(raised: Exception) -> None:
        raise raised

    said = list[str]()
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *given, **options: fail(error))
    monkeypatch.setattr(Path, "unlink", lambda *given, **options: fail(OSError("read-only")))
    assert not drawn(lambda: curves([], "", None), tmp_path / "a.png", said.append)
    assert len(said) == 1 and said[0].startswith(f"a.png was not drawn: {type(error).__name__}")


DRAW = """
import os, sys
from pathlib import Path
from framework.plots import Picture, curves, drawn
path, backend = Path(sys.argv[1]), os.environ["MPLBACKEND"]
history = [{"step": 1, "epoch": 1, "lr": 0.1, "train/loss": 1.0, "val/loss": 1.0}]
assert drawn(lambda: curves(history, "a", 1), path, sys.exit)
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
        "import sys; from framework.plots import curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "curves([{'step': 1, 'epoch': 1, 'val/loss': 1.0}], title='', kept_epoch=1).save(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
