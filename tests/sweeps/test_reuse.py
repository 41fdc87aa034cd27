"""A sweep takes results of the experiment's finished runs and trains the rest."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sweeping import SMALL, jobs_of, read_csv

from framework.runs.journal import read_journal

DATA = "".join(f"{row % 7},{row % 3},{row % 2}\n" for row in range(60))
WORDS = ("problem=file", "dataset.path=data.csv", "dataset.target=y", "epochs=2", "progress=false")


def folders(folder: Path) -> dict[str, tuple[str, str]]:
    rows = read_csv(folder / "leaderboard.csv")
    return {row["seed"]: (str(Path(row["folder"]).relative_to(folder.parent)), row["reused"]) for row in rows}


def test_finished_runs_are_reused_and_only_they(command, tmp_path):
    (tmp_path / "data.csv").write_text(f"a,b,y\n{DATA}")

    def swept(name: str, *words: str) -> tuple[str, dict[str, tuple[str, str]]]:
        code, out, err = command("-m", *WORDS, *words, f"hydra.sweep.dir={name}", "launcher.workers=1")
        assert code == 0, err
        return out, folders(tmp_path / name) if (tmp_path / name / "leaderboard.csv").is_file() else {}

    swept("one", "seed=0,1,2")
    shutil.rmtree(tmp_path / "one" / "2")
    journal = tmp_path / "one" / "1" / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole.replace('"FINISHED"', '"KILLED"'))
    out, _ = swept("plan", "seed=0,1,2", "reuse=true", "plan=true")
    assert "1 run reused: finished before in this experiment\n2 runs in 1 group" in out
    assert not (tmp_path / "plan").exists()
    journal.write_text(whole)
    out, rows = swept("two", "seed=0,1,2,3", "reuse=true")
    assert rows == {
        "0": ("one/0", "True"),
        "1": ("one/1", "True"),
        "2": ("two/2", "False"),
        "3": ("two/3", "False"),
    }
    assert [job.name for job in jobs_of(tmp_path / "two")] == ["2", "3"]
    texts = [entry.content["text"] for entry in read_journal(tmp_path / "two") if entry.kind == "description"]
    assert f"Results of earlier runs:\n\n- adam lr=0.001 seed=0: `{tmp_path}/one/0`\n" in texts[-1]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        parents = database.execute("select value, count(*) from tags where key = 'mlflow.parentRunId' group by 1")
        assert sorted(count for _, count in parents) == [2, 3]
    (tmp_path / "data.csv").write_text(f"a,b,y\n{DATA.replace('6', '9')}")
    _, rows = swept("three", "seed=0", "reuse=true")
    assert rows == {"0": ("three/0", "False")}
    _, rows = swept("four", "seed=0", "reuse=true", "tracking.experiment=other")
    assert rows == {"0": ("four/0", "False")}


def test_reuse_needs_a_sweep_and_a_store(command, tmp_path):
    for words, said in [
        ((*SMALL, "reuse=true"), "reuse=true is about the runs of a sweep: add -m"),
        (("-m", *SMALL, "seed=0,1", "reuse=true"), "it needs tracking.enabled=true"),
    ]:
        code, _, err = command(*words)
        assert (code, len(err.splitlines())) == (2, 1)
        assert said in err
    assert list(tmp_path.iterdir()) == []
