"""Time contenders in turns in one process, and describe the machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Row:
    """One line of the benchmark.

    Attributes:
        part: the part of the benchmark.
        name: the timed operation.
        times: seconds by contender, the minimum over several turns; ``ours`` is always there.
        targets: by contender, the project's upper bound for the ratio ours / theirs.
        note: further information, or "".
    """

    part: str
    name: str
    times: Mapping[str, float]
    targets: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def ratios(self) -> dict[str, float]:
        """Return the ratio ours / theirs by contender."""
        ours = self.times["ours"]
        return {name: ours / theirs for name, theirs in self.times.items() if name != "ours"}

    def lines(self) -> list[str]:
        """Return the row as lines of text, with the targets and whether they are reached."""
        shown = [f"{self.part:<11} {self.name:<44} ours {duration(self.times['ours'])}"]
        for name, ratio in self.ratios().items():
            target = self.targets.get(name)
            verdict = "" if target is None else f"  target {target:g}: {'reached' if ratio <= target else 'MISSED'}"
            shown.append(f"{'':<11}   {name:<20} {duration(self.times[name])}  ratio {ratio:.3f}{verdict}")
        return [*shown, *([f"{'':<11}   {self.note}"] if self.note else [])]

    def plain(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {**asdict(self), "ratios": self.ratios()}


def duration(seconds: float) -> str:
    """Return a duration as text in µs, ms or s."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:8.1f} µs"
    return f"{seconds * 1e3:8.2f} ms" if seconds < 1 else f"{seconds:8.2f} s "


def in_turns(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 5, seconds: float = 0.1
) -> dict[str, float]:
    """Return the minimum time in seconds of one call of each contender.

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
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, call in contenders.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / repeats[name])
    return best


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
