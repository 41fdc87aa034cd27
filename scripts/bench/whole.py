"""Time whole commands: a tracked sweep and a tracked study end to end, ten thousand compositions, start-up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from measure import Row, Spread, installed

OPTIMIZERS = "adam,sgd,rmsprop,adagrad,adamax,adadelta,nadam,radam"
RATES = "1e-4,3e-4,1e-3,3e-3,1e-2,3e-2"
STUDIED = "sgd,momentum,adagrad,rmsprop,adam,adamw,lion,nadam"
PROBLEMS = "digits_mlp,moons_mlp,wine_mlp"
TURNS = 5
"""How often each command is timed; compositions and studies are timed once."""


def compiled() -> dict[str, str]:
    """Return the environment; Python may keep compiled modules of this project, as it has those of the peers."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def timed(words: Sequence[str], folder: Path, **environment: str) -> tuple[float, str]:
    """Run Python in ``folder`` with the arguments ``words``; return the seconds and the standard output.

    Args:
        words: arguments of the Python interpreter.
        folder: working directory.
        environment: variables to add to the environment.

    Raises:
        RuntimeError: the command failed.
    """
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *words],
        cwd=folder,
        env={**compiled(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr[-2000:]}")
    return seconds, done.stdout


def sweep(*, full: bool) -> list[Row]:
    """Return the rows of 48 and 480 tracked runs.

    Unless ``full``, the peer runs only the 48 runs, and its time for 480 is taken as ten times as long.
    """
    few, many = 48, 480
    ours: dict[int, list[tuple[float, float]]] = {few: [], many: []}
    theirs: dict[int, list[float]] = {few: [], many: []}
    for _ in range(TURNS):
        for runs in (few, many):
            ours[runs].append(tracked(runs))
            if installed("torch"):
                theirs[runs].append(peer(runs) if full or runs == few else theirs[few][-1] * many / few)
    return [
        _sweep_row(few, ours[few], theirs[few], 0.1, ""),
        _sweep_row(many, ours[many], theirs[many], 0.03, "" if full else "; the peer's time: its 48 runs times ten"),
    ]


def _sweep_row(
    runs: int, ours: Sequence[tuple[float, float]], theirs: Sequence[float], target: float, more: str
) -> Row:
    seconds = [wall for wall, _ in ours]
    share = Spread.of([1 - training / wall for wall, training in ours])
    each = Spread.of([(wall - training) / runs * 1000 for wall, training in ours])
    note = (
        f"(wall - training) / wall = {share.middle:.2f} (quartiles {share.low:.2f} to {share.high:.2f}; target 0.25), "
        f"{each.middle:.1f} ms per run (target 8){more}"
    )
    times = {"ours": seconds} | ({"hydra+torch+mlflow": theirs} if theirs else {})
    return Row("sweep", f"{runs} tracked runs, end to end", times, {"hydra+torch+mlflow": target}, note)


def _axes(runs: int, prefix: str = "") -> list[str]:
    """Return the words of a sweep of 8 optimizers, 6 learning rates and as many seeds as ``runs`` need."""
    return [f"optimizer={OPTIMIZERS}", f"{prefix}lr={RATES}", f"seed=range({runs // 48})"]


def tracked(runs: int) -> tuple[float, float]:
    """Return the seconds of a tracked sweep, and those in which it trained."""
    with tempfile.TemporaryDirectory() as name:
        words = ["-m", "framework", "-m", *_axes(runs, "optimizer."), "epochs=20"]
        seconds, _ = timed(words, Path(name), MLFLOW_TRACKING_URI=f"sqlite:///{name}/ours.db")
        return seconds, training_seconds(Path(name))


def study() -> list[Row]:
    """Return the rows of a tracked study of 1,488 runs: until the answer is printed, until the exit, started again.

    The answer is the last line before the report's place.
    """
    words = ["-u", "-m", "framework", "compare", f"optimizer={STUDIED}", f"problem={PROBLEMS}", "progress=false"]
    words += ["study.extensions=0"]  # so that the number of runs is known
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), f"sqlite:///{name}/ours.db"
        answer, ended = answered(words, folder, MLFLOW_TRACKING_URI=store)
        training = training_seconds(folder)
        again, _ = timed(words, folder, MLFLOW_TRACKING_URI=store)
    note = f"training {training:.1f} s, after the answer {ended - answer:.1f} s, the rest {answer - training:.1f} s"
    return [
        Row("study", "1,488 tracked runs, to the answer", {"ours": [answer]}, note=note),
        Row("study", "the same, to the exit", {"ours": [ended]}),
        Row("study", "the same command again, nothing trained", {"ours": [again]}),
    ]


def answered(words: Sequence[str], folder: Path, **environment: str) -> tuple[float, float]:
    """Run a study as `timed` does; return the seconds until its answer, and until its end.

    Raises:
        RuntimeError: the command failed.
    """
    started, answer, last = time.perf_counter(), 0.0, 0.0
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, *words], cwd=folder, env={**compiled(), **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if line.startswith("report "):
                answer = last
            last = time.perf_counter() - started
    if process.returncode or not answer:
        raise RuntimeError(f"{' '.join(words)} failed")
    return answer, time.perf_counter() - started


def training_seconds(folder: Path) -> float:
    """Return the wall time in seconds during which at least one block of the sweep was training, from its journals."""
    import json

    spans = []
    for journal in folder.glob("multirun/*/*/*/journal.jsonl"):
        entries = [json.loads(line) for line in journal.read_text().splitlines()]
        spans.append((entries[0]["time"], max(entry["time"] for entry in entries if entry["kind"] == "metrics")))
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def peer(runs: int) -> float:
    """Return the seconds that the Hydra + torch + MLflow script takes for as many runs."""
    script = Path(__file__).parent / "peer_sweep.py"
    with tempfile.TemporaryDirectory() as name:
        words = [str(script), "-m", *_axes(runs)]
        return timed(words, Path(name), BENCH_STORE=f"sqlite:///{name}/peer.db")[0]


COMPOSE = """
import re, time
from pathlib import Path
started = time.perf_counter()
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from framework.hydra_app.compose import Composer
from framework.hydra_app.composed import register_resolvers
from framework.system.paths import conf_folder
register_resolvers()
with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="framework"):
    hydra = GlobalHydra.instance().hydra
    config = hydra.compose_config("config", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    overrides = [
        [f"optimizer={name}", f"optimizer.lr={lr}", f"seed={seed}"]
        for name in ("sgd", "adam") for lr in (1e-4, 1e-3, 1e-2, 1e-1, 1) for seed in range(1000)
    ]
    jobs = Composer(hydra.config_loader, config).jobs(overrides, 0)
assert len(jobs) == 10_000
seconds = time.perf_counter() - started
some = overrides[:: len(overrides) // 10]
started = time.perf_counter()
for job in some:
    hydra.config_loader.load_sweep_config(config, job)
alone = (time.perf_counter() - started) / len(some) * len(jobs)
status = Path("/proc/self/status")  # getrusage counts what the process that started this one held, too
held = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1] if status.exists() else "nan"
print(seconds, alone, float(held) / 1e6)
"""


def composition() -> list[Row]:
    """Return the row of composing and checking ten thousand jobs, beside Hydra, which composes each anew."""
    with tempfile.TemporaryDirectory() as name:
        _, printed = timed(["-c", COMPOSE], Path(name))
    seconds, alone, gigabytes = map(float, printed.split())
    note = f"peak memory {gigabytes:.2f} GB (target 1 GB); Hydra's time is its time for 10 jobs times 1,000"
    return [
        Row(
            "composition",
            "10,000 jobs composed and checked",
            {"ours": [seconds], "hydra": [alone]},
            {"hydra": 0.05},
            note,
        )
    ]


class Moments(NamedTuple):
    """Seconds from the start of a command to its first line, its result and its end, and those of training."""

    first: float
    result: float
    end: float
    training: float


def moments(words: Sequence[str], folder: Path, code: int) -> Moments:
    """Run Python in ``folder`` and return when it wrote; a line that names the time of training is the result.

    Raises:
        RuntimeError: the command has another exit code than ``code``.
    """
    started = time.perf_counter()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-u", *words],
        cwd=folder,
        env=compiled(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        lines += [(time.perf_counter() - started, line) for line in process.stdout]
    end = time.perf_counter() - started
    if process.returncode != code:
        raise RuntimeError(f"{' '.join(words)} failed: {''.join(line for _, line in lines)[-2000:]}")
    results = [(when, float(found[1])) for when, line in lines if (found := re.search(r"([\d.]+) s of training", line))]
    return Moments(
        lines[0][0] if lines else end, *(results[0][:1] if results else (end,)), end, sum(s for _, s in results)
    )


def startup() -> list[Row]:
    """Return the rows of help, of an error and of the default run, beside the imports of Hydra and MLflow."""
    commands = {
        "hydra": (["-c", "import hydra"], 0),
        "mlflow": (["-c", "import mlflow"], 0),
        "help": (["-m", "framework", "--help"], 0),
        "error": (["-m", "framework", "optimzer=adam"], 2),
        "default": (["-m", "framework"], 0),
    }
    turns: dict[str, list[Moments]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS + 1):  # the first one fills caches and makes the database
            for name, (words, code) in commands.items():
                found = moments(words, Path(folder), code)
                turns[name] += [found] if turn else []
    ends = {name: [turn.end for turn in several] for name, several in turns.items()}
    default = turns["default"]
    work = [one + turn.training for one, turn in zip(ends["mlflow"], default, strict=True)]
    return [
        Row("start-up", name, {"ours": ours, peer: theirs}, {} if target is None else {peer: target})
        for name, ours, peer, theirs, target in (
            ("python -m framework --help", ends["help"], "import hydra", ends["hydra"], 2.5),
            ("a misspelt setting", ends["error"], "import hydra", ends["hydra"], 2.5),
            ("warm default run, first line", [turn.first for turn in default], "import mlflow", ends["mlflow"], None),
            ("warm default run, result", [turn.result for turn in default], "import mlflow", ends["mlflow"], None),
            ("warm default run, exit", ends["default"], "import mlflow + training", work, 1.6),
        )
    ]
