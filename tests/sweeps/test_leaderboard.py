"""The tables of a sweep: which figure ranks, runs and settings, lost runs, the texts and the pictures."""

from __future__ import annotations

import csv
import math
from types import SimpleNamespace

import pytest
from tables import DIRECTIONS, accurate, ended, job, rates, swept

from framework.sweeps.blocks import Failed
from framework.sweeps.leaderboard import ranking, write_runs, write_settings
from framework.sweeps.plots import MOST_ROWS, sweep_picture
from framework.sweeps.text import settings_markdown, settings_text, spread_text, verdict


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["val/accuracy", "kept/val/loss", "kept/val/accuracy", "test/accuracy"], ("kept/val/accuracy", True)),
        (["kept/val/loss", "kept/val/mse"], ("kept/val/mse", False)),
        (["kept/train/accuracy", "kept/val/loss"], ("kept/val/loss", False)),
    ],
    ids=["accuracy", "mse", "loss"],
)
def test_the_kept_models_first_metric_on_validation_ranks(names, expected):
    assert ranking(names, DIRECTIONS) == expected


def test_single_runs_are_sorted_and_diverged_ones_come_last():
    nan = math.nan
    gone = ended("diverged", val_loss=nan, val_accuracy=nan)
    worse, better = (ended(val_loss=loss, val_accuracy=0.5) for loss in (2.0, 1.0))
    (table,) = swept((job(0, lr=1.0), gone), (job(1, lr=2.0), worse), (job(2, lr=3.0), better))
    assert [row["lr"] for row in table.runs] == [3.0, 2.0, 1.0]


def test_data_sets_and_files_have_a_table_each():
    one = {"name": "file", "path": "a.csv", "target": "y", "scaling": "none"}
    found = swept(
        (job(0, name="iris"), accurate(0.9)),
        (job(1, name="wine"), accurate(0.8)),
        (job(2, problem="file", **one), accurate(0.5)),
        (job(3, problem="file", **{**one, "path": "b.csv"}), accurate(0.7)),
        (job(4, problem="file", **{**one, "scaling": "standardize"}), accurate(0.6)),
        (job(5, problem="one"), accurate(0.6)),
    )
    assert [(table.problem, len(table.runs)) for table in found] == [
        ("p on iris", 1),
        ("p on wine", 1),
        ("file on file path=a.csv target=y", 2),
        ("file on file path=b.csv target=y", 1),
        ("one", 1),
    ]


def test_problems_of_different_tasks_have_a_table_each():
    found = swept(
        (job(0, problem="digits"), accurate(0.9)),
        (job(1, problem="prices"), ended(val_loss=3.0, val_mse=3.0, test_mse=4.0)),
        (job(2, problem="digits"), accurate(0.9)),
        (job(3, problem="broken"), Failed("bad luck")),
    )
    ranked = [(table.problem, table.figure, len(table.runs), len(table.settings)) for table in found]
    assert ranked == [
        ("digits", "kept/val/accuracy", 2, 1),
        ("prices", "kept/val/mse", 1, 1),
        ("broken", "kept/val/loss", 0, 1),
    ]
    text = settings_text(found, None)
    assert [line for line in text.splitlines() if line in {"digits", "prices", "broken"}] == [
        "digits",
        "prices",
        "broken",
    ]
    assert "No run in this table has a finite validation figure." in text


def test_failed_runs_are_counted_in_their_setting():
    (table,) = swept((job(0, seed=0), accurate(0.9)), (job(1, seed=1), Failed("x")), (job(2, lr=1.0), Failed("x")))
    assert [(s.name, s.seeds, s.failed) for s in table.settings] == [("adam lr=0.1", 2, 1), ("adam lr=1", 1, 1)]
    assert len(table.runs) == 1
    assert "2 (1 failed)" in settings_text([table], None)


def test_files_hold_single_runs_and_means(tmp_path):
    found = swept(*rates("adam", 0.9, 0.8), (job(9, problem="q"), ended(val_loss=3.0, val_mse=2.0)))
    write_runs(tmp_path / "runs.csv", found)
    write_settings(tmp_path / "settings.csv", found)
    with (tmp_path / "runs.csv").open() as stream:
        runs = list(csv.DictReader(stream))
    with (tmp_path / "settings.csv").open() as stream:
        settings = list(csv.DictReader(stream))
    assert len(runs) == 5
    assert (runs[-1]["kept/val/accuracy"], runs[-1]["kept/val/mse"]) == ("", "2.0")
    assert [row["setting"] for row in settings] == ["adam lr=0.1", "adam lr=0.01", "adam lr=0.1"]
    assert math.isclose(float(settings[0]["kept/val/accuracy"]), 0.9)
    assert math.isclose(float(settings[0]["kept/val/accuracy std"]), 0.02 / math.sqrt(2))
    assert settings[2]["kept/val/mse std"] == ""


def test_the_text_is_a_table_of_means_with_a_verdict():
    (table,) = swept(*rates("adam", 0.9, 0.8), *rates("sgd", 0.895, 0.5), *rates("lion", 0.6))
    assert settings_text([table], None).splitlines() == [
        "  setting        seeds   kept/val/accuracy     test/accuracy   steps",
        "  adam lr=0.1        2     0.9000 ± 0.0141   0.8000 ± 0.0141       3",
        "  sgd lr=0.1         2     0.8950 ± 0.0141   0.7950 ± 0.0141       3",
        "  adam lr=0.01       2     0.8000 ± 0.0141   0.7000 ± 0.0141       3",
        "  lion lr=0.1        2     0.6000 ± 0.0141   0.5000 ± 0.0141       3",
        "  sgd lr=0.01        2     0.5000 ± 0.0141   0.4000 ± 0.0141       3",
        "Best setting per optimizer by kept/val/accuracy: adam lr=0.1, sgd lr=0.1, lion lr=0.1.",
        "adam and sgd are within one standard error.",
    ]


def test_one_seed_says_that_it_is_one():
    (table,) = swept((job(0), accurate(0.9)), (job(1, "sgd"), accurate(0.8)))
    text = settings_text([table], None)
    assert "±" not in text
    assert verdict(table)[1].startswith("One seed per setting")


def test_words_that_all_settings_share_stand_above_the_table():
    names = ["adam lr=0.1 epochs=3 batch_size=8", "sgd lr=0.1 epochs=3 batch_size=16"]
    (table,) = swept(*((job(n, setting=name), accurate(0.9 - n / 10)) for n, name in enumerate(names)))
    lines = settings_text([table], None).splitlines()
    assert lines[0] == "p, all with epochs=3"
    assert lines[2].split("  ")[1] == "adam lr=0.1 batch_size=8"


def test_a_long_table_is_cut_and_says_where_the_rest_is(tmp_path):
    (table,) = swept(*((job(n, lr=1.0 + n), accurate(0.9 - n / 100)) for n in range(40)))
    assert "… and 20 more in" in settings_text([table], tmp_path)
    page = settings_markdown([table])
    assert page.count("\n| adam") == 30
    assert "… and 10 more in `settings.csv`." in page


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.98611, 0.00412, "0.9861 ± 0.0041"),
        (0.5, 0.0, "0.5000 ± 0.0000"),
        (0.0015123, 3.29e-5, "0.001512 ± 0.000033"),
        (0.25, None, "0.2500"),
    ],
    ids=["usual", "zero", "small", "single"],
)
def test_a_mean_has_the_digits_of_its_deviation(mean, deviation, text):
    assert spread_text(SimpleNamespace(mean=mean, deviation=deviation, count=2)) == text


# Pictures


def drawn(*pairs):
    picture = sweep_picture(swept(*pairs))
    data, _ = picture._repr_png_()
    assert len(data) > 5000
    return picture.figure.axes


def test_swept_rates_are_drawn_as_sensitivity():
    (axes,) = drawn(*rates("adam", 0.9, 0.8, 0.7), *rates("sgd", 0.5, 0.95))
    assert axes.get_xscale() == "log"
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert list(lines) == ["sgd lr=0.01  (test 0.85)", "adam lr=0.1  (test 0.8)"]
    assert lines["adam lr=0.1  (test 0.8)"].get_xdata().tolist() == pytest.approx([1e-3, 1e-2, 1e-1])
    assert lines["adam lr=0.1  (test 0.8)"].get_ydata().tolist() == pytest.approx([0.7, 0.8, 0.9])
    chosen = [line.get_xydata()[0].tolist() for line in axes.get_lines() if line.get_markersize() == 9]
    assert chosen == [pytest.approx([0.01, 0.95]), pytest.approx([0.1, 0.9])]
    low, high = axes.collections[1].get_datalim(axes.transData).intervaly
    assert (low, high) == pytest.approx((0.7 - 0.02 / 2**0.5, 0.9 + 0.02 / 2**0.5))


def test_at_each_rate_the_best_of_the_other_values_is_drawn():
    pairs = [
        (job(0, lr=lr, setting=f"adam lr={lr} beta1={beta}"), accurate(value))
        for lr, beta, value in [(0.1, 0.8, 0.6), (0.1, 0.9, 0.7), (0.2, 0.8, 0.9), (0.2, 0.9, 0.5)]
    ]
    (axes,) = drawn(*pairs)
    line = next(line for line in axes.get_lines() if line.get_label().startswith("adam"))
    assert line.get_ydata().tolist() == [0.7, 0.9]


def test_other_settings_are_drawn_with_their_seeds_as_dots():
    (axes,) = drawn(*rates("adam", 0.9), *rates("sgd", 0.5))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["adam lr=0.1", "sgd lr=0.1"]
    dots = sorted(
        (x, y) for line in axes.get_lines() if line.get_marker() == "o" for x, y in line.get_xydata().tolist()
    )
    assert dots == [pytest.approx(dot) for dot in [(0.49, 1), (0.51, 1), (0.89, 0), (0.91, 0)]]
    assert [text.get_text() for text in axes.texts] == ["0.9000", "0.5000"]


def test_many_settings_are_cut_and_counted():
    (axes,) = drawn(*((job(n, setting=f"adam lr=0.1 k={n}"), accurate(0.9 - n / 1000)) for n in range(100)))
    assert len(axes.get_yticklabels()) == MOST_ROWS
    assert "60 more in settings.csv" in axes.get_xlabel()


def test_a_sweep_in_which_all_diverged_is_drawn():
    gone = ended("diverged", val_loss=math.nan, val_accuracy=math.nan)
    (axes,) = drawn((job(0, lr=1.0), gone), (job(1, lr=2.0), gone))
    assert [text.get_text() for text in axes.texts] == ["1 diverged", "1 diverged"]


def test_problems_have_a_panel_each():
    regression = [(job(0, lr=lr, problem="q"), ended(val_loss=lr, val_mse=lr)) for lr in (0.1, 0.2)]
    first, second = drawn(*rates("adam", 0.9, 0.8), *regression)
    assert [axes.get_title("left") for axes in (first, second)] == ["p", "q"]
    assert second.get_ylabel() == "kept/val/mse"
