"""Time contenders in turns in one process, and describe the machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """Median and quartiles of several measurements."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return those of ``values``; of a single one, three times itself."""
        return cls(*quantiles(values, n=4, method="inclusive")) if len(values) > 1 else cls(*values * 3)


@dataclass
class Row:
    """One line of the benchmark.

    Attributes:
        part: the part of the benchmark.
        name: the timed operation.
        times: seconds by contender, one number per turn; ``ours`` is always there.
        targets: by contender, the project's upper bound for the ratio ours / theirs, the median over the turns.
        note: further information, or "".
    """

    part: str
    name: str
    times: Mapping[str, Sequence[float]]
    targets: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def ratios(self) -> dict[str, Spread]:
        """Return the ratios ours / theirs within a turn by contender."""
        ours = self.times["ours"]
        return {
            name: Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])
            for name, theirs in self.times.items()
            if name != "ours"
        }

    def lines(self) -> list[str]:
        """Return the row as lines of text, with the targets and whether they are reached."""
        low, middle, high = map(duration, Spread.of(self.times["ours"]))
        turns = len(self.times["ours"])
        spread = "" if turns == 1 else f" ({turns} turns: {low.strip()} to {high.strip()})"
        shown = [f"{self.part:<11} {self.name:<44} ours {middle}{spread}"]
        for name, ratio in self.ratios().items():
            target = self.targets.get(name)
            spread = "" if turns == 1 else f" ({ratio.low:.3f} to {ratio.high:.3f})"
            reached = target is not None and ratio.middle <= target
            verdict = "" if target is None else f"  target {target:g}: {'reached' if reached else 'MISSED'}"
            theirs = duration(Spread.of(self.times[name]).middle)
            shown.append(f"{'':<11}   {name:<20} {theirs}  ratio {ratio.middle:.3f}{spread}{verdict}")
        return [*shown, *([f"{'':<11}   {self.note}"] if self.note else [])]

    def plain(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {**asdict(self), "ratios": {name: ratio._asdict() for name, ratio in self.ratios().items()}}


def duration(seconds: float) -> str:
    """Return a duration as text in µs, ms or s."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:8.1f} µs"
    return f"{seconds * 1e3:8.2f} ms" if seconds < 1 else f"{seconds:8.2f} s "


def in_turns(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 11, seconds: float = 0.1
) -> dict[str, list[float]]:
    """Return the seconds of one call of each contender, one number per turn.

    They are timed in turns, so that noise affects all of them equally.

    Args:
        contenders: functions to call, by name; each is called once before, to warm up.
        rounds: turns per contender.
        seconds: approximate duration of a turn; quick calls are repeated within it.
    """
    repeats = {}
    for name, call in contenders.items():
        call()
        started = time.perf_counter()
        call()
        repeats[name] = max(1, int(seconds / max(time.perf_counter() - started, 1e-7)))
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            turns[name].append((time.perf_counter() - started) / repeats[name])
    return turns


def installed(module: str) -> bool:
    """Return whether a peer's module is installed."""
    return importlib.util.find_spec(module) is not None


def machine() -> dict[str, str]:
    """Return the platform, the processor and the versions of Python and the libraries, by name."""
    facts = {"python": platform.python_version(), "platform": platform.platform(), "cores": str(os.cpu_count())}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        facts["processor"] = next(
            (line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")),
            "",
        )
    for name in ("numpy", "llvmlite", "torch", "jax", "optax", "scikit-learn", "hydra-core", "mlflow"):
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            facts[name] = "absent"
    return facts
