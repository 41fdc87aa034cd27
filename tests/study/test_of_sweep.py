"""The comparison of a plain sweep, against the sweep's own leaderboard."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas
import pytest
from sweeping import SMALL, swept

from framework.cli.report import main as report
from framework.reports.stored import read_report
from framework.study.of_sweep import BEST, CHOSEN, GIVEN, MOST


def board(folder: Path) -> pandas.DataFrame:
    return pandas.read_csv(folder / "leaderboard.csv")


@pytest.fixture
def two(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    swept(tmp_path / "s", *SMALL, "optimizer=sgd,adamw", "optimizer.lr=0.001,0.1,1e30", "seed=0,1")
    return tmp_path / "s"


def test_the_best_setting_of_each_optimizer_is_compared(two):
    found, rows = read_report(two / "report"), board(two)
    assert found.protocol[0] == CHOSEN
    assert set(found.entrants) == {"sgd", "adamw"}
    for entrant, own in rows.groupby("optimizer"):
        best = own.groupby("lr")["kept/val/accuracy"].mean().idxmax()
        (standing,) = [each for each in found.standings if each.entrant == entrant]
        assert standing.setting == {"lr": best}
        tested = own[own["lr"] == best].set_index("seed")["test/accuracy"]
        runs = found.runs[found.runs["entrant"] == entrant].set_index("seed")
        assert runs["counted"].to_dict() == tested.to_dict()


def test_all_settings_are_trials_and_diverged_ones_count_as_the_worst(two):
    trials = read_report(two / "report").trials
    assert trials.groupby("entrant")["lr"].apply(sorted).to_dict() == {
        "adamw": [1e-3, 0.1, 1e30],
        "sgd": [1e-3, 0.1, 1e30],
    }
    assert trials.groupby("entrant")["chosen"].sum().to_dict() == {"adamw": 1, "sgd": 1}
    lost = trials[trials["diverged"] > 0]
    assert len(lost)
    assert set(lost.loc[lost["diverged"] == 2, "figure"]) == {0.0}


def test_it_is_made_again_from_the_journals(two):
    whole = read_report(two / "report")
    shutil.rmtree(two / "report")
    assert report([str(two)]) == 0
    again = read_report(two / "report")
    assert (again.verdict, again.standings, again.protocol) == (whole.verdict, whole.standings, whole.protocol)
    for name in ("runs", "trials", "curves"):
        pandas.testing.assert_frame_equal(getattr(again, name), getattr(whole, name))


def test_of_one_optimizer_the_best_settings_are_compared(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    rates = ",".join(f"{0.001 * 1.3**n:.4f}" for n in range(MOST + 3))
    swept(tmp_path / "s", *SMALL, "epochs=1", "optimizer=adam", f"optimizer.lr={rates}")
    found, rows = read_report(tmp_path / "s" / "report"), board(tmp_path / "s")
    assert found.protocol[0] == BEST
    assert len(found.entrants) == MOST
    ordered = rows.sort_values(["kept/val/accuracy", "kept/val/loss"], ascending=[False, True])
    assert set(found.runs["folder"]) == set(ordered["folder"][:MOST])
    assert found.trials.empty


def test_a_few_settings_are_compared_as_given(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    swept(tmp_path / "s", *SMALL, "optimizer=adam", "schedule=constant,cosine", "seed=0,1")
    found = read_report(tmp_path / "s" / "report")
    assert found.protocol[0] == GIVEN
    assert len(found.entrants) == 2
