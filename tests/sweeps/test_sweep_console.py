"""What a person sees of a sweep: runs done, time left, the best setting so far; in a log at most ten lines."""

from __future__ import annotations

import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
from clocks import Clock
from runs import config
from screens import Shown, terminal_output, visible
from sweeping import SMALL
from tables import accurate, ended, job

from framework.hydra_app.reporting import ReportingTask
from framework.sweeps import console
from framework.sweeps.best_so_far import BestSoFar
from framework.sweeps.blocks import Block, Failed, train_block
from framework.sweeps.by_setting import by_setting
from framework.sweeps.console import SweepProgress, Ticker
from framework.sweeps.fractions import Fractions, WriteFractions, writers
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import row_of
from framework.sweeps.planning import launch, plan
from framework.system.pace import Milestones
from framework.system.terminal import Log
from framework.tracking import console as delivery_console
from framework.tracking.console import DeliveryProgress

pytestmark = pytest.mark.usefixtures("unrendered")

WORDS = tuple(word for word in SMALL if word != "progress=false")


def best(*pairs, jobs=None):
    so_far = BestSoFar(jobs or [one for one, _ in pairs])
    for one, end in pairs:
        so_far.add(one, end)
    return so_far.text()


# The best setting so far


def test_the_best_setting_is_the_best_mean_over_the_seeds_that_have_ended():
    jobs = [job(0, lr=lr, seed=seed) for lr in (0.1, 0.01) for seed in range(3)]
    so_far = BestSoFar(jobs)
    assert so_far.text() == ""
    texts = []
    for one, value in zip(jobs, (0.9, 0.7, 0.8, 0.85, 0.85, 0.85), strict=True):
        so_far.add(one, accurate(value))
        texts.append(so_far.text())
    assert texts == [
        "best so far: adam lr=0.1, val/accuracy 0.9000 (1 of 3 seeds)",
        "best so far: adam lr=0.1, val/accuracy 0.8000 ± 0.1414 (2 of 3 seeds)",
        "best so far: adam lr=0.1, val/accuracy 0.8000 ± 0.1000 (3 seeds)",
        "best so far: adam lr=0.01, val/accuracy 0.8500 (1 of 3 seeds)",
        "best so far: adam lr=0.01, val/accuracy 0.8500 ± 0.0000 (2 of 3 seeds)",
        "best so far: adam lr=0.01, val/accuracy 0.8500 ± 0.0000 (3 seeds)",
    ]


def test_with_one_seed_and_one_problem_neither_is_named():
    text = best((job(0), accurate(0.9)), (job(1, lr=1.0), accurate(0.8)))
    assert text == "best so far: adam lr=0.1, val/accuracy 0.9000"


def test_of_several_problems_the_one_is_shown_that_a_run_ended_on_last():
    digits, prices = job(0, problem="digits"), job(1, problem="prices")
    error = ended(val_loss=3.0, val_mse=3.0)
    assert best((digits, accurate(0.9)), (prices, error)) == "best so far (prices): adam lr=0.1, val/mse 3.0000"
    assert best((prices, error), (digits, accurate(0.9))).startswith("best so far (digits): adam lr=0.1, val/acc")


def test_runs_of_one_problem_with_other_metrics_are_ranked_by_those_of_the_last():
    by_accuracy, by_error = job(0, lr=0.1), job(1, lr=0.2)
    error = ended(val_loss=3.0, val_mse=3.0)
    assert best((by_accuracy, accurate(0.9)), (by_error, error)).endswith("adam lr=0.2, val/mse 3.0000")
    assert best((by_error, error), (by_accuracy, accurate(0.9))).endswith("adam lr=0.1, val/accuracy 0.9000")


def test_words_that_all_settings_share_are_left_out():
    pairs = [(job(0, lr=lr, setting=f"adam lr={lr} epochs=60"), accurate(lr)) for lr in (0.1, 0.2)]
    assert best(*pairs) == "best so far: adam lr=0.2, val/accuracy 0.2000"


def test_lost_runs_count_against_their_setting():
    nan = float("nan")
    lost = [(job(0, lr=1.0, seed=0), accurate(0.99)), (job(1, lr=1.0, seed=1), Failed("x"))]
    gone = [(job(2, lr=2.0), ended("diverged", val_loss=nan, val_accuracy=nan))]
    assert best(*lost, *gone) == "best so far: adam lr=1, val/accuracy 0.9900 (2 seeds)"
    assert best(*lost, *gone, (job(3), accurate(0.5))) == "best so far: adam lr=0.1, val/accuracy 0.5000"
    assert best(*gone) == best((job(0), Failed("x"))) == ""


def test_at_the_end_the_best_so_far_is_the_first_of_the_table():
    rng = np.random.default_rng(0)
    places = enumerate(np.ndindex(3, 4, 3))
    jobs = [job(n, ("sgd", "adam", "lion")[rule], 0.1 * (lr + 1), seed) for n, (rule, lr, seed) in places]
    pairs = [(one, accurate(float(value))) for one, value in zip(jobs, rng.random(len(jobs)), strict=True)]
    rng.shuffle(pairs)
    first, *_ = by_setting([row_of(one, "p", end) for one, end in pairs], "kept/val/accuracy", greater=True)
    assert best(*pairs).startswith(f"best so far: {first.name}, val/accuracy ")


# Runs done and time left


def progress_of(jobs, shown, clock, seconds=None):
    fractions = Fractions({one.number: 1.0 for one in jobs})
    return SweepProgress(jobs, seconds, fractions, shown, clock), fractions


def test_a_sweep_shows_runs_done_time_left_and_the_best_setting():
    jobs, shown, clock = [job(n, seed=n) for n in range(4)], Shown(), Clock()
    sweep, fractions = progress_of(jobs, shown, clock)
    with fractions:
        sweep.show()
        clock.now += 10
        sweep.ended(jobs[0], accurate(0.9))
        clock.now += 10
        sweep.ended(jobs[2], Failed("bad luck"))
    assert shown.states == [
        (0.0, "0 of 4 runs", ""),
        (0.25, "1 of 4 runs  30 s left", "best so far: adam lr=0.1, val/accuracy 0.9000 (1 of 4 seeds)"),
        (0.5, "2 of 4 runs (1 failed)  20 s left", "best so far: adam lr=0.1, val/accuracy 0.9000 (2 of 4 seeds)"),
    ]
    assert shown.notes == ["run 2 failed: bad luck"]


def test_a_failure_is_written_once_however_many_runs_it_befalls():
    jobs, shown = [job(n, seed=n) for n in range(100)], Shown()
    sweep, fractions = progress_of(jobs, shown, Clock())
    with fractions:
        for one in jobs:
            sweep.ended(one, Failed("the same" if one.number % 2 else f"error {one.number}"))
        sweep.show()
    assert shown.notes == ["run 0 failed: error 0", "run 1 failed: the same", "run 2 failed: error 2"]
    assert shown.states[-1][1] == "100 of 100 runs (100 failed)"


@pytest.mark.parametrize("seconds", [2, 100, 100_000])
def test_a_log_has_at_most_ten_lines_of_a_sweep_and_its_delivery(seconds, capsys):
    jobs, clock = [job(n, seed=n) for n in range(200)], Clock()
    sweep, fractions = progress_of(jobs, Log(Milestones(console.MOST_LINES, clock)), clock)
    with fractions:
        for one in jobs:
            clock.now += seconds / 200
            sweep.ended(one, accurate(0.9))
    trained = capsys.readouterr().out.splitlines()
    with DeliveryProgress(progress=True, clock=clock) as waiting:
        waiting(None, 0)
        for left in range(1000, 0, -1):
            waiting(left, 2)
            clock.now += seconds / 1000
    delivered = capsys.readouterr().out.splitlines()
    assert (len(trained), len(delivered)) == {2: (0, 1), 100: (5, 5), 100_000: (5, 5)}[seconds]
    assert console.MOST_LINES + delivery_console.MOST_LINES + 1 <= 10
    hints = [line for line in delivered if line == delivery_console.HINT]
    assert len(hints) == (seconds > delivery_console.HINT_SECONDS)
    delivered = [line for line in delivered if line not in hints]
    assert delivered[0] == "writing to MLflow …"
    assert all(re.fullmatch(r"writing to MLflow … \d+ runs left", line) for line in delivered[1:])
    assert all(re.match(r"\d+ of 200 runs, [\d.]+ \w+ left; best so far: adam", line) for line in trained)


def test_a_slow_delivery_of_one_run_counts_its_items_and_says_how_not_to_wait(capsys):
    clock = Clock()
    with DeliveryProgress(progress=True, clock=clock) as waiting:
        waiting(None, 0)
        for items in (9, 9, 5, 1):
            waiting(1, items)
            clock.now += 6
    with DeliveryProgress(progress=False) as waiting:
        waiting(None, 0)
    assert capsys.readouterr().out.splitlines() == [
        "writing to MLflow …",
        delivery_console.HINT,
        "writing to MLflow … 5 items left",
        "writing to MLflow … 1 item left",
    ]


# How far runs are inside their blocks


def planted(tmp_path, number, **changes):
    return Job(number, (), config(**changes), {}, tmp_path / str(number), setting="adam")


def test_runs_of_a_block_tell_how_far_they_are(tmp_path):
    shares = []

    class Reading(WriteFractions):
        def epoch(self, record):
            super().epoch(record)
            shares.append(fractions.share())

    jobs = [planted(tmp_path, number, epochs=2, seed=number) for number in (3, 5)]
    with Fractions({3: 3.0, 5: 1.0}) as fractions:
        train_block(Block(tuple(jobs), 0, 0.0), tmp_path, None, [Reading(fractions.path)])
        assert fractions.share() == 1.0
    assert shares == [0.375, 0.5, 0.875, 1.0]
    assert not fractions.path.exists()
    assert writers(fractions.path) == writers(None) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_trains_runs_writes_how_far_they_are(tmp_path, workers):
    options = {"workers": workers, "block": 1}
    jobs = [planted(tmp_path, number, epochs=1, seed=number, launcher=options) for number in range(2)]
    with Fractions({0: 1.0, 1: 1.0}) as fractions:
        ends = launch(plan(jobs), "loky", tmp_path, None, lambda *_: None, pytest.fail, fractions.path)
        assert not any(isinstance(end, Failed) for end in ends.values())
        assert fractions.share() == 1.0


def test_runs_that_stop_early_or_are_limited_in_time_tell_it_too(tmp_path):
    clock = iter(range(100)).__next__
    with Fractions({0: 0.0, 1: 0.0}) as fractions:
        one, other = WriteFractions(fractions.path, clock), WriteFractions(fractions.path)
        limited = SimpleNamespace(total=None, settings=SimpleNamespace(max_seconds=4.0))
        one.started([SimpleNamespace(id="0")], limited)
        one.epoch(SimpleNamespace(run=SimpleNamespace(id="0"), history=[{"step": 9}]))
        assert fractions.share() == 0.125
        other.finished(SimpleNamespace(run=SimpleNamespace(id="1")))
        assert fractions.share() == 0.625
        fractions.end(0)
        assert fractions.share() == 1.0


def test_runs_that_are_tried_again_begin_again(tmp_path):
    with Fractions({0: 1.0}) as fractions:
        fractions.end(0)
        WriteFractions(fractions.path).started(
            [SimpleNamespace(id="0")], SimpleNamespace(total=1, settings=SimpleNamespace(max_seconds=None))
        )
        assert fractions.share() == 0.0


def test_what_a_ticker_raises_is_raised_where_it_is_used():
    def broken():
        raise BrokenPipeError("nobody reads")

    ticker = Ticker(broken, 0.001)
    with pytest.raises(BrokenPipeError, match="nobody reads"), ticker:
        ticker._thread.join()


# The command


@pytest.fixture
def often(monkeypatch):
    """Have all progress shown, as in a sweep of hours."""
    monkeypatch.setattr(delivery_console, "REFRESH_SECONDS", 0.001)
    monkeypatch.setattr("framework.sweeps.console.Throttle", lambda seconds, clock: SimpleNamespace(ready=lambda: True))
    monkeypatch.setattr("framework.system.pace.REPORT_SECONDS", 0.0)


LINE = re.compile(r"\d of 4 runs.*")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_in_a_log(command, often, workers):
    words = ("optimizer=adam,sgd", "seed=0,1", f"launcher.workers={workers}", "launcher.block=1", "epochs=1")
    code, out, err = command("-m", *WORDS, *words)
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if LINE.match(line)]
    assert 1 <= len(lines) <= console.MOST_LINES
    assert any("best so far: " in line for line in lines) or workers == 2  # two workers may end all runs at once
    assert "writing to MLflow" not in out and "\x1b" not in out


def test_a_sweep_on_a_terminal(command, often, monkeypatch):
    with terminal_output(monkeypatch, columns=100) as written:
        code, _, _ = command("-m", *WORDS, "optimizer=adam,sgd", "seed=0,1", "launcher.block=1", "epochs=1")
    assert code == 0
    assert "1 of 4 runs" in written[0] and "best so far: " in written[0]
    rows = visible(written[0])
    assert not any(LINE.search(row) or "best so far" in row for row in rows)
    assert any(row.startswith("Best setting per optimizer") for row in rows)


@pytest.mark.parametrize("launcher", ["population", "basic"])
def test_progress_false_leaves_the_result_only(command, often, launcher):
    code, out, _ = command("-m", *SMALL, f"hydra/launcher={launcher}", "seed=0,1", "epochs=1")
    assert code == 0
    heads = [line.split(" ")[0] for line in out.splitlines() if not line.startswith(" ")]
    assert [head for head in heads if head not in ("2", "digits_softmax,")] == ["Best", "report", "run"]


def test_a_launcher_of_hydras_own_shows_progress_and_no_line_per_run(command, often):
    code, out, _ = command("-m", *WORDS, "hydra/launcher=basic", "optimizer=adam,sgd", "seed=0,1", "epochs=1")
    assert code == 0
    lines = [line for line in out.splitlines() if LINE.match(line)]
    assert 1 <= len(lines) <= console.MOST_LINES
    assert not re.search(r"^ +\d  adam", out, re.MULTILINE)
    assert any("best so far" in line for line in lines)


def test_a_task_tells_of_its_ends_in_this_process_only(monkeypatch):
    jobs = [job(0), job(1)]
    monkeypatch.setattr(
        "framework.hydra_app.reporting.HydraConfig", SimpleNamespace(get=lambda: SimpleNamespace(job=place))
    )
    place, told = SimpleNamespace(num=1), []
    task = ReportingTask(_task)
    task.report(jobs, lambda one, end: told.append((one.number, end)))
    assert task("fine") == "fine"
    with pytest.raises(ValueError, match="bad"):
        task("bad")
    assert told == [(1, "fine"), (1, Failed("ValueError: bad"))]
    assert pickle.loads(pickle.dumps(task))("fine") == "fine"  # noqa: S301 - our own
    assert len(told) == 2


def _task(config):
    if config == "bad":
        raise ValueError("bad")
    return config
