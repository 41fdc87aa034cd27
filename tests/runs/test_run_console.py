"""What a person sees of a single run: its progress on a terminal and in a log, its result, what is waited for."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from clocks import Clock
from runs import config, runs_of
from screens import Shown, terminal_output, visible

from framework.runs import console
from framework.runs.console import REFRESH_SECONDS, Progress
from framework.runs.journal import read_journal
from framework.system.pace import Milestones
from framework.system.terminal import Log
from framework.tracking.client import Tracker
from framework.training.loop import train

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ("tracking.enabled=false", "epochs=2", "dataset.train_limit=75")


def population(total=100, max_seconds=None, per_epoch=20):
    return SimpleNamespace(
        total=total, settings=SimpleNamespace(max_seconds=max_seconds), batches=SimpleNamespace(per_epoch=per_epoch)
    )


def record(**figures):
    row = {"epoch": 2, "step": 40, "train/loss": 0.25, **{name.replace("_", "/"): v for name, v in figures.items()}}
    return SimpleNamespace(history=[row])


def watched(clock, shown, **budget):
    progress = Progress(shown, clock)
    progress.started([], population(**budget))
    return progress


def test_a_run_shows_epoch_time_left_loss_validation_figure_and_rate():
    clock, shown = Clock(), Shown()
    progress = watched(clock, shown)
    assert shown.states[-1] == (0.0, "epoch 1/5", "")
    clock.now += 2
    progress.step([], 30, np.array([0.5]))
    assert shown.states[-1] == (0.3, "epoch 2/5  5 s left  loss 0.5000  15 steps/s", "")
    progress.epoch(record(val_loss=0.4, val_accuracy=0.9, val_top5=1.0))
    clock.now += 2
    progress.step([], 41, np.array([0.125]))
    assert shown.states[-1] == (0.41, "epoch 3/5  6 s left  loss 0.1250  val/accuracy 0.9000  10 steps/s", "")
    progress.finished(None)
    assert shown.closed == 1


def test_without_a_metric_the_validation_loss_is_shown_and_slow_steps_have_digits():
    clock, shown = Clock(), Shown()
    progress = watched(clock, shown)
    clock.now += 80
    progress.epoch(record(val_loss=0.4))
    assert shown.states[-1] == (0.4, "epoch 2/5  2 min left  loss 0.2500  val/loss 0.4000  0.5 steps/s", "")


def test_a_budget_in_seconds_gives_the_time_left_and_no_number_of_epochs():
    clock, shown = Clock(), Shown()
    progress = watched(clock, shown, total=None, max_seconds=60.0)
    clock.now += 15
    progress.step([], 300, np.array([0.5]))
    assert shown.states[-1] == (0.25, "epoch 15  45 s left  loss 0.5000  20 steps/s", "")


def test_a_run_is_shown_a_few_times_a_second():
    clock, shown = Clock(), Shown()
    progress = watched(clock, shown, total=100_000)
    for step in range(1, 10_001):
        clock.now += 0.001
        progress.step([], step, np.array([0.5]))
    assert len(shown.states) == pytest.approx(10 / REFRESH_SECONDS, abs=3)


@pytest.mark.parametrize("seconds", [3, 30, 3000])
def test_a_log_has_at_most_nine_lines_of_a_run_and_none_of_a_short_one(seconds, capsys):
    clock = Clock()
    progress = watched(clock, Log(Milestones(console.MOST_LINES, clock)), total=10_000, per_epoch=100)
    for step in range(1, 10_001):
        clock.now += seconds / 10_000
        progress.step([], step, np.array([0.5]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == {3: 0, 30: 5, 3000: 9}[seconds]
    assert all(re.fullmatch(r"epoch +\d+/100, \d+ \w+ left, loss 0.5000, [\d,.]+ steps/s", line) for line in lines)


def test_what_is_shown_goes_away_when_training_fails():
    class Bad(Progress):
        def epoch(self, record):
            raise RuntimeError("bad luck")

    shown = Shown()
    with pytest.raises(RuntimeError, match="bad luck"):
        train([config()], runs_of([config()]), [Bad(shown)])
    assert shown.closed == 1


def test_a_real_run_is_shown_until_its_last_epoch():
    shown = Shown()
    progress = Progress(shown, clock=iter(np.arange(0.0, 1e6)).__next__)
    one = config(epochs=3)
    train([one], runs_of([one]), [progress])
    texts = [text for _, text, _ in shown.states]
    assert texts[0] == "epoch 1/3"
    assert re.fullmatch(r"epoch 3/3  \d+ s left  loss [\d.]+  val/accuracy [\d.]+  0.\d+ steps/s", texts[-1])
    shares = [share for share, _, _ in shown.states]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_the_command_shows_a_bar_on_a_terminal_and_takes_it_away(command, monkeypatch):
    with terminal_output(monkeypatch) as written:
        code, _, _ = command(*QUICK)
    assert code == 0
    assert "epoch 1/2" in written[0] and "━" in written[0]
    rows = visible(written[0])
    assert not any("━" in row or "epoch 1/2" in row for row in rows)
    assert any(row.startswith("finished: 2 epochs") for row in rows)


@pytest.mark.parametrize("words", [(), ("progress=false",)], ids=["log", "quiet"])
def test_a_short_run_in_a_log_prints_what_it_is_and_its_result_only(command, words):
    code, out, err = command(*QUICK, *words)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    heads = [line.split(" ")[0] for line in out.splitlines() if not line.startswith(" ")]
    assert heads == ["adam", "finished:", "run"]


def test_progress_false_shows_none_on_a_terminal(command, monkeypatch):
    with terminal_output(monkeypatch) as written:
        command(*QUICK, "progress=false")
    assert "\x1b" not in written[0]
    assert "finished: 2 epochs" in written[0]


class Undelivered(Tracker):
    """A tracker whose writer is a stand-in that delivers nothing."""

    def _start(self):
        self._process = SimpleNamespace(stdin=None)

    def _wait(self, process):
        self._announce()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["adam", "finished:", "writing", "CURVES", "run"]),
        (("progress=false",), ["adam", "finished:", "CURVES", "run"]),
        (("tracking.enabled=false",), ["adam", "finished:", "CURVES", "run"]),
    ],
    ids=["tracked", "quiet", "untracked"],
)
def test_the_result_comes_before_curves_are_drawn_and_then_what_is_waited_for(command, monkeypatch, words, expected):
    def drawn(draw, path, warn):
        sys.stdout.write("CURVES\n")
        return False

    monkeypatch.setattr("framework.plots.drawn", drawn)
    monkeypatch.setattr("framework.tracking.run.Tracker", Undelivered)
    monkeypatch.setattr("framework.cli.commands.start_early", lambda uri: None)
    code, out, _ = command("epochs=1", "dataset.train_limit=75", *words)
    assert code == 0
    assert [line.split(" ")[0] for line in out.splitlines() if not line.startswith(" ")] == expected


def test_a_run_whose_result_cannot_be_shown_is_recorded_as_finished(command, monkeypatch, tmp_path):
    def broken(outcome):
        raise RuntimeError("no paper")

    monkeypatch.setattr("framework.runs.summary.summary", broken)
    with pytest.raises(RuntimeError, match="no paper"):
        command(*QUICK)
    (journal,) = tmp_path.glob("outputs/*/*/journal.jsonl")
    entries = read_journal(journal.parent)
    assert [entry.content["status"] for entry in entries if entry.kind == "end"] == ["FINISHED"]
    assert "curves.png" in [entry.content["path"] for entry in entries if entry.kind == "artifact"]


def test_a_run_that_is_interrupted_while_curves_are_drawn_has_finished(command, monkeypatch, tmp_path):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("framework.plots.curves", interrupted)
    code, out, _ = command(*QUICK)
    assert code == 130
    assert "finished: 2 epochs" in out
    (journal,) = tmp_path.glob("outputs/*/*/journal.jsonl")
    ends = [entry.content["status"] for entry in read_journal(journal.parent) if entry.kind == "end"]
    assert ends == ["FINISHED"]


def test_nothing_is_announced_when_all_is_delivered_or_nobody_delivers(tmp_path, monkeypatch):
    told = []
    (tmp_path / "journal.jsonl").write_text("{}\n")
    tracker = Undelivered("sqlite:///x.db", progress=lambda left, entries: told.append(left))
    tracker.follow(tmp_path)
    tracker.announce()
    assert told == []
    with tracker:
        tracker.announce()
        assert told == [None]
        monkeypatch.setattr("framework.tracking.client.pending", lambda folder: False)
        tracker.announce()
        assert told == [None]
    assert told == [None]
