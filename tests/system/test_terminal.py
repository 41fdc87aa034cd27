"""What is shown in place on a terminal, and what a log gets of it."""

from __future__ import annotations

import io
import sys

import pytest
from clocks import Clock
from screens import Terminal, terminal_output, visible

from framework.system.pace import Milestones
from framework.system.terminal import MOST_BAR, Hidden, Log, Screen, printable, view

TEXT = "epoch 3/30  4 s left  loss 0.1234  val/accuracy 0.9722  3,201 steps/s"


@pytest.mark.parametrize("width", [120, 100, 80, 70, 40])
def test_a_state_is_one_row_of_any_terminal_with_the_most_important_first(width):
    rows = Terminal(width).rows(0.5, TEXT, "best so far: adam")
    assert len(rows) == 2
    first, second = rows
    assert max(map(len, rows)) <= width
    assert second == "best so far: adam"
    bar = min(MOST_BAR, width - len(TEXT) - 2)
    if bar >= 8:
        assert first.endswith(f"  {TEXT}")
        assert len(first) == bar + 2 + len(TEXT)
        assert first.count("━") == bar // 2  # without colours only the part that is done is drawn
    else:
        assert first.startswith("epoch 3/30  4 s left")
        assert first == TEXT[:width] or first.endswith("…")


def test_a_state_takes_the_place_of_the_one_before():
    terminal = Terminal(100)
    terminal.rows(0.5, "a longer text", "below")
    assert terminal.rows(None, "short", "") in (["short"], ["short", ""])


def test_the_bar_does_not_change_its_length_with_the_text():
    terminal = Terminal(60)
    lengths = [terminal.rows(1.0, "x" * size)[0].count("━") for size in (40, 44, 38, 40)]
    assert lengths == [18, 14, 14, 14]


def test_what_is_shown_goes_and_what_is_noted_stays(monkeypatch):
    with terminal_output(monkeypatch) as written, Screen() as shown:
        shown.show(0.1, ["one"])
        shown.note("this failed")
        shown.show(0.2, ["two"], "below")
    assert "two" in written[0]
    assert [row for row in visible(written[0]) if row] == ["this failed"]


def test_a_log_gets_lines_that_are_due(capsys):
    clock = Clock()
    shown = Log(Milestones(5, clock))
    shown.show(0.5, ["too early"])
    clock.now += 6
    shown.show(0.5, ["3 of 6 runs", "", "2 s left"], "best so far: adam")
    shown.note("a note")
    shown.close()
    assert capsys.readouterr().out == "3 of 6 runs, 2 s left; best so far: adam\na note\n"


def test_the_view_follows_the_output_and_the_setting(monkeypatch):
    assert isinstance(view(5, progress=True), Log)
    assert isinstance(view(5, progress=False), Hidden)
    with terminal_output(monkeypatch):
        assert isinstance(view(5, progress=True), Screen)
        assert isinstance(view(5, progress=False), Hidden)
        monkeypatch.setenv("TERM", "dumb")
        assert isinstance(view(5, progress=True), Log)


def test_a_stream_gets_no_letter_that_it_lacks(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    view(5, progress=True).note("writing to MLflow …")
    stream.flush()
    assert stream.buffer.getvalue() == b"writing to MLflow ?\n"
    assert printable("±…", io.StringIO()) == "±…"
