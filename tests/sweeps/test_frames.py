"""The frame of a sweep: what it displays, and that any selection of its runs is averaged and drawn from its rows."""

from __future__ import annotations

import math
import pickle
import re
import statistics

import pandas
import pytest
from tables import accurate, ended, job, rates, swept

from framework.errors import InputError
from framework.sweeps.blocks import Failed
from framework.sweeps.frames import RunsFrame, SweepFrame
from framework.sweeps.html import sweep_html

ACCURACY = "kept/val/accuracy"
NAN = math.nan


def frame(*pairs):
    return SweepFrame.of(swept(*pairs))


@pytest.fixture
def sweep():
    """Two optimizers, three rates, two seeds; one run diverged."""
    gone = (job(0, "sgd", 1.0, 0), ended("diverged", val_loss=NAN, val_accuracy=NAN, test_loss=NAN, test_accuracy=NAN))
    return frame(*rates("adam", 0.9, 0.8), *rates("sgd", 0.7, 0.95), gone)


def cells(html):
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


# As returned


def test_a_sweep_is_shown_as_its_settings(sweep):
    assert repr(sweep).splitlines() == [
        "9 runs in 5 settings, averaged over seeds",
        "  setting                 seeds   kept/val/accuracy     test/accuracy   steps",
        "  sgd lr=0.01                 2     0.9500 ± 0.0141   0.8500 ± 0.0141       3",
        "  adam lr=0.1                 2     0.9000 ± 0.0141   0.8000 ± 0.0141       3",
        "  adam lr=0.01                2     0.8000 ± 0.0141   0.7000 ± 0.0141       3",
        "  sgd lr=0.1                  2     0.7000 ± 0.0141   0.6000 ± 0.0141       3",
        "  sgd lr=1       1 (1 diverged)                   -                 -       3",
        f"Best setting per optimizer by {ACCURACY}: sgd lr=0.01, adam lr=0.1.",
    ]
    table = cells(sweep._repr_html_())
    assert table[0] == ["setting", "seeds", ACCURACY, "test/accuracy", "steps"]
    assert table[1] == ["sgd lr=0.01", "2", "0.9500 ± 0.0141", "0.8500 ± 0.0141", "3"]
    assert table[5] == ["sgd lr=1", "1 (1 diverged)", "-", "-", "3"]
    assert "Best setting per optimizer" in sweep._repr_html_()


def test_html_names_no_colour_and_leaves_the_notebook_alone(sweep):
    html = sweep._repr_html_()
    assert not re.search(r"color|background|<style|<script|#[0-9a-f]{3}", html)
    first, *others = re.findall(r"<td style=\"([^\"]*)\"", html)[:5]
    assert "text-align:left" in first
    assert all("text-align:right" in style and "tabular-nums" in style for style in others)
    assert "mathjax_ignore" in html


def test_html_is_escaped():
    html = frame(*((job(n, setting=f"<b>&{n} lr=0.1"), accurate(0.9)) for n in range(2)))._repr_html_()
    assert "&lt;b&gt;&amp;0" in html
    assert "<b>&" not in html


def test_settings_beyond_a_screenful_are_counted():
    html = sweep_html(swept(*((job(n, lr=1.0 + n), accurate(0.9 - n / 100)) for n in range(25))))
    assert len(cells(html)) == 21
    assert "… and 5 more: <code>.by_setting()</code>" in html


def test_problems_have_a_table_each():
    regression = [(job(0, lr=lr, problem="q"), ended(val_loss=lr, val_mse=lr, test_mse=lr)) for lr in (0.2, 0.1)]
    both = frame(*rates("adam", 0.9, 0.8), *regression)
    heads = [row for row in cells(both._repr_html_()) if row[0] == "setting"]
    assert [row[2] for row in heads] == [ACCURACY, "kept/val/mse"]
    assert list(both.by_setting()["setting"]) == ["adam lr=0.1", "adam lr=0.01", "adam lr=0.1", "adam lr=0.2"]
    assert both[both["problem"] == "q"].plot().figure.axes[0].get_ylabel() == "kept/val/mse"


def test_a_frame_without_runs_says_so():
    empty = frame()
    assert (len(empty), repr(empty), list(empty["lr"])) == (0, "no runs", [])
    assert "no runs" in empty._repr_html_()
    assert len(empty.by_setting()) == 0
    with pytest.raises(InputError, match="no runs to draw"):
        empty.plot()


def test_failed_runs_are_rows_without_figures():
    runs = frame((job(0, seed=0), accurate(0.9)), (job(1, seed=1), Failed("x")))
    assert list(runs["ended"]) == ["budget", "failed"]
    assert "2 (1 failed)" in repr(runs)
    only = frame((job(0), Failed("x")))
    assert "1 (1 failed)" in repr(only)


# What pandas makes of it


@pytest.mark.parametrize(
    "make",
    {
        "rows": lambda sweep: sweep[sweep["optimizer"] == "adam"],
        "head": lambda sweep: sweep.head(3),
        "sorted": lambda sweep: sweep.sort_values("seed"),
        "column": lambda sweep: sweep.assign(gap=1.0),
        "copy": lambda sweep: sweep.copy(),
        "index": lambda sweep: sweep.set_index("run"),
        "several": lambda sweep: pandas.concat([sweep.head(2), sweep.tail(2)]),
    }.values(),
    ids=["rows", "head", "sorted", "column", "copy", "index", "several"],
)
def test_other_frames_show_rows_and_average_them(sweep, make):
    made = make(sweep)
    assert type(made) is RunsFrame
    plain = pandas.DataFrame(made)
    assert repr(made) == repr(plain)
    assert made._repr_html_() == plain._repr_html_()
    means = made.by_setting().set_index("setting")[ACCURACY].dropna()
    expected: dict[str, list[float]] = {}
    for setting, value in zip(plain["setting"], plain[ACCURACY], strict=True):
        expected.setdefault(setting, []).append(value)
    expected = {name: values for name, values in expected.items() if math.isfinite(sum(values))}
    assert means.to_dict() == pytest.approx({name: statistics.mean(values) for name, values in expected.items()})


def test_frames_without_a_runs_columns_are_plain(sweep):
    assert type(sweep[["lr", ACCURACY]]) is pandas.DataFrame
    assert type(sweep.groupby("optimizer").mean(numeric_only=True)) is pandas.DataFrame
    assert type(sweep.describe()) is pandas.DataFrame
    del sweep["seed"]
    assert repr(sweep) == repr(pandas.DataFrame(sweep))
    assert sweep._repr_html_() is None


def test_a_pickled_sweep_comes_back_whole(sweep):
    back = pickle.loads(pickle.dumps(sweep))  # noqa: S301 - its own
    assert type(back) is SweepFrame
    assert repr(back) == repr(sweep)
    pandas.testing.assert_frame_equal(back, sweep)


def test_the_picture_of_a_selection_has_its_runs_alone(sweep):
    def legend(picture):
        return [text.get_text().split(" ")[0] for text in picture.figure.axes[0].get_legend().get_texts()]

    assert legend(sweep.plot()) == ["sgd", "adam"]
    assert legend(sweep[sweep["optimizer"] == "adam"].plot()) == ["adam"]


def test_pandas_own_plots_are_there_as_well(sweep):
    assert sweep.plot.scatter("lr", ACCURACY).get_ylabel() == ACCURACY
    assert sweep.plot(x="lr", y=ACCURACY, kind="scatter").get_xlabel() == "lr"
