"""A result as people see it: one line of text, a table in a notebook, the epochs as a frame, the curves."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from framework.runs.result import Result
from framework.training.history import History

NAN = math.nan


def result(losses=(0.9, 0.4, 0.6), kept=3, ended="budget", run_id="abc123", setting="adam lr=0.1"):
    history = History(
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "time/seconds": 0.5 * epoch,
            "lr": 0.1,
            "train/loss": 1.0,
            "val/loss": loss,
        }
        for epoch, loss in enumerate(losses, start=1)
    )
    metrics = (
        {"train/loss": 1.0, "val/loss": losses[kept - 1], "test/loss": 0.25, "test/accuracy": 0.5} if losses else {}
    )
    params = {"optimizer.name": "adam", "seed": 4, "problem": "digits_mlp"}
    return Result(metrics, history, run_id, params, Path("/runs/<a>&b"), ended, setting, kept or None)


def cells(html):
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def text(html):
    return re.sub(r"<[^>]*>", " ", html)


def test_text_is_one_line_of_what_and_how_well():
    assert repr(result()) == (
        "<Result of adam lr=0.1 seed=4 on digits_mlp: finished, "
        "val/loss 0.6000, test/loss 0.2500, test/accuracy 0.5000>"
    )


def test_html_is_a_table_of_splits():
    html = result()._repr_html_()
    assert cells(html) == [
        ["", "loss", "accuracy"],
        ["training", "1.0000", ""],
        ["validation", "0.6000", ""],
        ["test", "0.2500", "0.5000"],
    ]
    assert "finished: 3 epochs, 30 steps, 1.50 s of training" in text(html)
    assert "MLflow run  abc123" in text(html)
    assert "<code>/runs/&lt;a&gt;&amp;b</code>" in html
    assert not re.search(r"color|background|<style", html)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            result(kept=2, ended="early stopping"),
            "stopped early: 3 epochs, 30 steps, 1.50 s of training; kept: the par",
        ),
        (result((0.9, NAN), kept=2, ended="diverged"), "diverged at step 20: 2 epochs, 20 steps"),
        (result((), kept=0, ended="unfinished", run_id=None), "unfinished: 0 epochs, 0 steps"),
    ],
    ids=["early", "diverged", "unfinished"],
)
def test_html_says_how_a_run_ended(made, words):
    assert words in text(made._repr_html_())
    assert repr(made).count("\n") == 0
    assert ("MLflow" in made._repr_html_()) == (made.run_id is not None)


def test_the_curves_mark_the_kept_epoch():
    axes = result(kept=2).plot().figure.axes[0]
    assert axes.get_title("right") == "kept epoch 2: 0.4"


def test_a_history_is_a_list_that_shows_as_a_table():
    history = result().history
    assert history == list(history)
    assert history[-1]["val/loss"] == 0.6
    frame = history.to_frame()
    assert list(frame.index) == [1, 2, 3]
    assert frame["val/loss"].to_dict() == {1: 0.9, 2: 0.4, 3: 0.6}
    assert repr(history) == repr(frame)
    table = cells(history._repr_html_())
    assert table[0] == ["epoch", "step", "lr", "train/loss", "val/loss", "time/seconds"]
    assert table[3] == ["3", "30", "0.1000", "1.0000", "0.6000", "1.5000"]


def test_a_long_history_shows_its_ends():
    table = cells(result([0.1] * 400).history._repr_html_())
    assert [row[0] for row in table[1:]] == [*map(str, range(1, 11)), "…", *map(str, range(391, 401))]
    assert table[-1][1] == "4,000"


def test_a_history_without_epochs_says_so():
    assert repr(History()) == "History of no epochs"
    assert History()._repr_html_() is None
    assert len(History().to_frame()) == 0
