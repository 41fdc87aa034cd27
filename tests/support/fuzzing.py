"""Fuzzing of everything that is read from files: what is mutated, how it is read, and what must not happen."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import runs

import framework
from framework.base.run import Run
from framework.checkpoint import file as checkpoint
from framework.cli import resume
from framework.errors import FrameworkError, InputError
from framework.runs.cursor import Cursor
from framework.runs.recorder import Journaling
from framework.runs.resume import interrupted
from framework.sweeps.state import JobIdentity, SweepState
from framework.system.files import read_regular
from framework.training.loop import train
from framework.training.observers import Observer
from framework.training.predictor import Predictor
from framework.training.state import RunState

LIMIT = 60
"""Seconds after which a case counts as a hang; the slowest that is none takes one, on a machine with nothing to do."""
FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")
FORBIDDEN += ("socket.connect", "socket.bind", "ctypes.dlopen")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
PLANNED = "plan: a plan has no result"
OVERRIDES = ["problem=digits_mlp", "optimizer=adam", "optimizer.lr=0.01", "seed=3", "model.sizes=[8,4]", "tags.a=b"]
OVERRIDES += ["batch_size=32", "schedule=cosine", "stages=[clip_norm]", "stages.clip_norm.max_norm=1", "patience=null"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        name: its name in the summary.
        folder: the folder of the material that is copied for each case.
        file: path of the mutated file in it.
        mutate: returns a mutated file, from the original one.
        use: reads the copy, as the program would.
    """

    name: str
    folder: str
    file: str
    mutate: mutations.Bytes
    use: Callable[[Path], object]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The end of one case.

    Attributes:
        case: its number.
        kind: name of its kind.
        result: ``"refused"``, ``"accepted"``, or a fault: ``"raw"``, ``"lines"``, ``"hang"``, ``"outside"``,
            ``"code"`` or ``"died"``.
        detail: the message, or what happened.
    """

    case: int
    kind: str
    result: str
    detail: str = ""

    @property
    def fault(self) -> bool:
        return self.result not in ("refused", "accepted")


class Hang(BaseException):
    """The time of a case is over."""


class Guard:
    """Notes changes of files outside a folder, and code that runs other programs or unpickles, by an audit hook."""

    def __init__(self, root: Path) -> None:
        self._root, self._active = str(root.resolve()), False
        self.outside: list[str] = []
        self.code: list[str] = []
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        self.outside.clear()
        self.code.clear()
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event in FORBIDDEN:
            self.code.append(f"{event} {arguments!r:.200}")
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        for path in arguments[:2] if event in CHANGES else arguments[:1] if writes else ():
            if isinstance(path, str | bytes) and not self._inside(os.fsdecode(path)):
                self.outside.append(f"{event} {path!r:.200}")

    def _inside(self, path: str) -> bool:
        return path == os.devnull or "__pycache__" in path or os.path.realpath(path).startswith(self._root)


class Fuzzer:
    """Runs cases in a folder; case ``i`` of a seed is always the same.

    Args:
        root: an empty folder for everything that is written.
        seed: the seed.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self._root, self._seed = root, seed
        self._killed = runs.config()
        make_material(root / "material", self._killed)
        self._guard = Guard(root)

    def run(self, case: int) -> Verdict:
        """Run one case."""
        kind = KINDS[case % len(KINDS)]
        folder = self._root / "case"
        shutil.copytree(self._root / "material" / kind.folder, folder)
        place(random.Random(f"{self._seed}:{case}"), kind, folder)  # noqa: S311 - the same case again
        handler = signal.signal(signal.SIGALRM, _ring)
        signal.alarm(LIMIT)
        try:
            with self._guard.watching(), contextlib.redirect_stdout(io.StringIO()):
                return self._judged(case, kind, folder)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, handler)
            shutil.rmtree(folder)

    def _judged(self, case: int, kind: Kind, folder: Path) -> Verdict:
        result, detail = "accepted", ""
        try:
            kind.use(folder)
        except FrameworkError as error:
            result, detail = "lines" if len(str(error).splitlines()) > 1 else "refused", str(error)
            if detail.startswith(PLANNED):
                result = "accepted"
        except Hang:
            result, detail = "hang", traceback.format_exc()
        except BaseException:  # noqa: BLE001 - this is what the fuzzer looks for
            result, detail = "raw", traceback.format_exc()
        if self._guard.code or mutations.Trap.sprung:
            return Verdict(case, kind.name, "code", f"{self._guard.code}")
        if self._guard.outside:
            return Verdict(case, kind.name, "outside", f"{self._guard.outside}")
        return Verdict(case, kind.name, result, detail)


def _ring(number: int, frame: object) -> None:
    raise Hang


def place(rng: random.Random, kind: Kind, folder: Path) -> None:
    """Put the mutated file of a case into its folder, or something that is no file."""
    path = folder / kind.file
    original = path.read_bytes()
    if rng.random() > 0.03:
        path.write_bytes(kind.mutate(rng, original))
        return
    path.unlink()
    rng.choice(
        [
            lambda: os.mkfifo(path),
            path.mkdir,
            lambda: path.symlink_to("/dev/zero"),
            lambda: path.symlink_to(path),
            lambda: path.symlink_to("nowhere"),
            lambda: path.write_bytes(b""),
            lambda: None,
        ]
    )()


class _Ending(Observer):
    """Saves a checkpoint after the first epoch, and interrupts."""

    def __init__(self, config: Any) -> None:
        self._config = config

    def between(self, records: Sequence[Any], population: Any, step: int) -> None:
        state = RunState.of(population, 0, records[0], step, {})
        checkpoint.save(records[0].run.folder, self._config.identity, state)
        raise KeyboardInterrupt


def make_material(root: Path, config: Any) -> None:
    """Write the folders that the cases are made from."""
    for name in ("finished", "killed"):
        run = Run(name, name, config.as_data(), root / name)
        journaling = Journaling({name: config}, {name: ["seed=0"]}, parent=None, single=False)
        with contextlib.suppress(KeyboardInterrupt):
            train([config], [run], [journaling, *([_Ending(config)] if name == "killed" else [])])
        Cursor("sqlite:///x.db", experiment="x", experiment_id="1", run_id="0" * 32).save(root / name)
    sweep, data, composed = root / "sweep", root / "data", root / "composed"
    for folder in (sweep, data, composed):
        folder.mkdir()
    jobs = tuple(JobIdentity(number, str(number), f"{number:012x}", (f"seed={number}",)) for number in range(3))
    SweepState(("optimizer=adam,sgd", "seed=0,1"), (), (), (), jobs).save(sweep)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 3)), np.arange(30) % 2
    np.savez(data / "data.npz", x=x, y=y, x_test=x[:9], y_test=y[:9])
    rows = [f"{a:.3f},{b:.3f},{'no' if label else 'yes'}" for (a, b, _), label in zip(x, y, strict=True)]
    (data / "data.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (data / "images").write_bytes(bytes([0, 0, 8, 3, *b"\0\0\0\5\0\0\0\4\0\0\0\4"]) + bytes(range(80)))
    (composed / "overrides.json").write_text(json.dumps(OVERRIDES))


def _load(folder: Path) -> None:
    result = framework.load(folder)
    repr(result)
    result._repr_html_()
    result.history.to_frame()


def _resume(folder: Path) -> None:
    interrupted(folder)


def _run_files(folder: Path) -> None:
    """Read a run's folder both ways; one that is refused as a result may still be resumed."""
    with contextlib.suppress(InputError):
        _load(folder)
    _resume(folder)


def _continue(folder: Path) -> None:
    config = runs.config()
    checkpoint.epoch_of(folder)
    state = checkpoint.load(folder, config.identity)
    train([config], runs.runs_of([config]), (), [state] if state else ())


def _predict(folder: Path) -> None:
    predictor = Predictor.load(folder / "model")
    shape = (2, 8, 8, 1)
    for output in ("scores", "class"):
        predictor.predict(np.zeros(shape), output)
    repr(predictor.parameters)


def _read_data(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from plugins.datasets.file import File

        return File(path=str(folder / name), target="y").prepare(np.float32)

    return read


def _read_idx(folder: Path) -> object:
    from plugins.datasets._idx import read_idx

    return read_idx(folder / "images", 3)


def _resume_sweep(folder: Path) -> None:
    for further in ([], ["seed=range(3)"]):
        resume.main([str(folder), *further], lambda words: 0)


def _delivered(folder: Path) -> None:
    cursor = Cursor.load(folder)
    if cursor is not None:
        cursor.complete(folder)
    _load(folder)


def _compose(folder: Path) -> None:
    try:
        words = json.loads(read_regular(folder / "overrides.json"))  # the file stands for a command line
    except (OSError, ValueError):
        return
    framework.run(*words, "plan=true")


KINDS = (
    Kind("config", "killed", "config.yaml", mutations.yaml_text, _run_files),
    Kind("overrides", "composed", "overrides.json", mutations.override, _compose),
    Kind("checkpoint", "killed", checkpoint.FILE, mutations.checkpoint, _continue),
    Kind("journal", "killed", "journal.jsonl", mutations.json_lines, _run_files),
    Kind("model", "finished", "model/model.json", mutations.json_text, _predict),
    Kind("weights", "finished", "model/weights.npz", mutations.archive, _predict),
    Kind("csv", "data", "data.csv", mutations.csv, _read_data("data.csv")),
    Kind("npz", "data", "data.npz", mutations.archive, _read_data("data.npz")),
    Kind("idx", "data", "images", mutations.idx, _read_idx),
    Kind("sweep", "sweep", "sweep.json", mutations.json_text, _resume_sweep),
    Kind("mlflow", "finished", "mlflow.json", mutations.json_text, _delivered),
    Kind("list", "killed", "overrides.yaml", mutations.yaml_text, _run_files),
)
