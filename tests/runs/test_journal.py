"""The journal and its delivery mark: what is written is read back, and a kill loses no whole line."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from framework.errors import InputError
from framework.runs.cursor import Cursor
from framework.runs.journal import FILE, Journal, Tail, read_journal
from framework.system.addresses import absolute, relative, same_store, without_password


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run")
    journal.write(
        "start", name="NaN", params={"lr": math.inf, "layers": [1, 2]}, parent=tmp_path, tags={"a": "Infinity"}
    )
    values = {"a": np.float32(0.5), "b": math.nan, "c": -math.inf, "d": np.int64(3), "e": np.float32("inf")}
    journal.write("metrics", step=np.int64(10), epoch=1, values=values)
    journal.write("end", status="FINISHED")

    start, metrics, end = read_journal(tmp_path / "run")
    assert [entry.kind for entry in (start, metrics, end)] == ["start", "metrics", "end"]
    assert start.content["params"] == {"lr": math.inf, "layers": [1, 2]}
    assert (start.content["name"], start.content["tags"], start.content["parent"]) == (
        "NaN",
        {"a": "Infinity"},
        str(tmp_path),
    )
    back = metrics.content["values"]
    assert math.isnan(back.pop("b"))
    assert back == {"a": 0.5, "c": -math.inf, "d": 3, "e": math.inf}
    assert metrics.content["step"] == 10
    assert start.time <= metrics.time <= end.time
    assert end.end == (tmp_path / "run" / FILE).stat().st_size


def test_every_line_is_strict_json(tmp_path: Path) -> None:
    Journal(tmp_path).write("metrics", step=1, epoch=1, values={"a": math.nan, "b": math.inf})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    line = json.loads((tmp_path / FILE).read_text(), parse_constant=refuse)
    assert line["values"] == {"a": "NaN", "b": "Infinity"}


def test_unknown_kinds_and_closed_journals_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="kind 'metric'; known: start, metrics"):
        journal.write("metric")
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.write("end", status="FINISHED")
    assert not (tmp_path / FILE).exists()


def test_a_torn_last_line_is_left_out_and_cut_off_before_going_on(tmp_path: Path) -> None:
    Journal(tmp_path).write("tags", values={"a": "1"})
    with (tmp_path / FILE).open("a") as file:
        file.write('{"kind": "tags", "ti')
    assert len(read_journal(tmp_path)) == 1
    Journal(tmp_path).write("tags", values={"a": "2"})
    assert [entry.content["values"]["a"] for entry in read_journal(tmp_path)] == ["1", "2"]


@pytest.mark.parametrize("damage", ["not json\n", "[1]\n", '{"kind": "tags"}\n', "\n"])
def test_damage_elsewhere_is_an_error_that_says_where(tmp_path: Path, damage: str) -> None:
    journal = Journal(tmp_path)
    journal.write("tags", values={})
    first = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("a") as file:
        file.write(damage)
    journal.write("tags", values={})
    with pytest.raises(InputError, match=f"{FILE} is damaged at byte {first} .*remove that line"):
        read_journal(tmp_path)


def test_a_folder_without_a_journal_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no journal\.jsonl"):
        read_journal(tmp_path)


def test_a_tail_yields_each_whole_entry_once(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert not tail.claim()
    journal = Journal(tmp_path)
    journal.write("tags", values={"n": "0"})
    assert tail.claim()
    assert [entry.content["values"]["n"] for entry in tail.read()] == ["0"]
    assert tail.read() == []
    with (tmp_path / FILE).open("a") as file:
        file.write('{"kind": "tags", "time": 1, ')
        file.flush()
        assert tail.read() == []
        file.write('"values": {"n": "1"}}\n')
    journal.write("tags", values={"n": "2"})
    new = tail.read()
    assert [entry.content["values"]["n"] for entry in new] == ["1", "2"]
    tail.close()

    later = Tail(tmp_path, offset=new[0].end)
    assert later.claim()
    assert [entry.content["values"]["n"] for entry in later.read()] == ["2"]
    os.truncate(tmp_path / FILE, 3)
    with pytest.raises(InputError, match="shorter"):
        later.read()
    later.close()


def test_one_process_at_a_time_delivers_a_journal(tmp_path: Path) -> None:
    Journal(tmp_path).write("tags", values={})
    first, second = Tail(tmp_path), Tail(tmp_path)
    assert first.claim()
    assert not second.claim()
    Journal(tmp_path).write("tags", values={})  # the claim does not hinder the run
    first.close()
    assert second.claim()
    assert len(second.read()) == 2
    second.close()


def test_a_kill_loses_no_line_that_was_written(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from framework.runs.journal import Journal
journal = Journal(Path(sys.argv[1]))
for step in range(100_000_000):
    journal.write("metrics", step=step, epoch=0, values={"a": 0.5})
    sys.stdout.write(f"{step}\\n")
    sys.stdout.flush()
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(200):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().splitlines(keepends=True)
    last = max([199, *(int(line) for line in told if line.endswith("\n"))])
    steps = [entry.content["step"] for entry in read_journal(tmp_path)]
    assert steps == list(range(len(steps)))
    assert len(steps) > last


def test_the_mark_survives_and_tells_whether_all_is_there(tmp_path: Path) -> None:
    assert Cursor.load(tmp_path) is None
    journal = Journal(tmp_path)
    journal.write("end", status="FINISHED")
    mark = Cursor("sqlite:////x.db", run_id="abc", delivered=(tmp_path / FILE).stat().st_size, ended=True)
    mark.save(tmp_path)
    assert Cursor.load(tmp_path) == mark
    assert mark.complete(tmp_path)
    journal.write("tags", values={})
    assert not mark.complete(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, "mlflow.json"]


def test_a_damaged_mark_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mlflow.json").write_text('{"unknown": 1}')
    with pytest.raises(InputError, match=r"mlflow.json is damaged .*remove it"):
        Cursor.load(tmp_path)


MASKED = {
    "at": ("postgresql://me:se@cret@host:5/db", "postgresql://me:***@host:5/db"),
    "slash": ("http://me:pa/ss@host:5/db", "http://me:***@host:5/db"),
    "token": ("https://t0ken@host/x", "https://***@host/x"),
    "no_password": ("postgresql://me@host/db", "postgresql://me@host/db"),
    "query": ("postgresql://host/db?user=me&password=a%20b&x=1", "postgresql://host/db?user=me&password=***&x=1"),
    "key": ("http://host/?x=1&access_key=k#y", "http://host/?x=1&access_key=***"),
    "odbc": ("mssql+pyodbc:///?odbc_connect=PWD%3Dx%3B", "mssql+pyodbc:///?odbc_connect=***"),
    "encoded_colon": ("http://me%3Apw@host", "http://***@host"),
    "encoded_colon_database": ("postgresql://me%3Apw@host/db", "postgresql://***@host/db"),
    "encoded": ("http://a/?to=http%3A%2F%2Fme%3Apw%40host&x=1", "http://a/?to=http%3A%2F%2F***%40host&x=1"),
    "list": ("http://a:b@c,http://d:e@f", "http://a:***@c,http://d:***@f"),
    "text": ("no http://a:b@c here: https://t@d, mail me@x.y", "no http://a:***@c here: https://***@d, mail me@x.y"),
    "interpolation": ("http://me:${oc.env:PW}@host", "http://me:${oc.env:PW}@host"),
    "half_interpolation": ("http://me:x${oc.env:PW}@host", "http://me:***@host"),
    "default": ("${oc.env:A,http://me:pw@host}", "${oc.env:A,http://me:***@host}"),
    "hydra": (r"uri=http\://me\:pw@host\:5?token\=a,b=1", r"uri=http\://me\:***@host\:5?token\=***"),
    "plain": ("http://host:5000", "http://host:5000"),
    "path": ("https://host/x@v1", "https://host/x@v1"),
    "sqlite": ("sqlite:////a/b:c@d.db?timeout=5", "sqlite:////a/b:c@d.db?timeout=5"),
}


@pytest.mark.parametrize(("text", "shown"), MASKED.values(), ids=MASKED)
def test_passwords_are_not_written_down(text: str, shown: str) -> None:
    assert without_password(text) == shown
    assert without_password(shown) == shown


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://me:***@host:5/", "http://you:pw@host:5", True),
        ("https://host", "https://token@host", True),
        ("postgresql://host/db?password=***", "postgresql://me:pw@host/db", True),
        ("http://host", "http://host:5000", False),
        ("sqlite:////a/../b/x.db", "sqlite:////b/x.db?timeout=5", True),
        ("sqlite:////b/x.db", "sqlite:////c/x.db", False),
    ],
    ids=["users", "token", "query", "port", "file", "files"],
)
def test_a_store_is_the_same_whoever_opens_it(one: str, other: str, same: bool) -> None:
    assert same_store(one, other) is same


def test_a_database_above_the_run_moves_with_it(tmp_path: Path) -> None:
    above, beside = f"sqlite:///{tmp_path}/a%25b.db?timeout=5", f"sqlite:///{tmp_path}/else/x.db"
    run = tmp_path / "outputs" / "run"
    assert relative(above, run) == "sqlite:///../../a%25b.db?timeout=5"
    assert absolute(relative(above, run), run) == above
    assert relative(beside, run) == beside == absolute(beside, run)
    assert relative("http://me:pw@host", run) == "http://me:***@host"
