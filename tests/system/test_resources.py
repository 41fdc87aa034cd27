"""Cores and memory as a container sees them."""

from __future__ import annotations

import joblib

from framework.system.resources import UNKNOWN, available_memory, cores, memory_limit


def account(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_memory_is_what_machine_and_container_leave(tmp_path):
    system = tmp_path / "meminfo"
    system.write_text("MemTotal: 16000 kB\nMemAvailable:    8000 kB\n")
    nothing = tmp_path / "nothing"
    assert available_memory(system, nothing) == 8000 * 1024
    assert available_memory(nothing, nothing) == UNKNOWN
    files = {"memory_current": "3000000\n", "memory_stat": "anon 7\ninactive_file 1000000\nactive_file 9\n"}
    assert available_memory(system, account(tmp_path / "a", memory_max="5000000\n", **files)) == 3_000_000
    assert available_memory(system, account(tmp_path / "b", memory_max="max\n", **files)) == 8000 * 1024
    assert available_memory(system, account(tmp_path / "c", memory_max="90000000\n", **files)) == 8000 * 1024
    assert available_memory(system, account(tmp_path / "d", memory_max="1000000\n", **files)) == 0


def test_cores_are_those_we_may_use(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    assert cores() == 3


def test_the_memory_limit_is_what_is_free_or_else_what_is_installed(tmp_path):
    nothing = tmp_path / "nothing"
    (tmp_path / "meminfo").write_text("MemTotal: 16000 kB\nMemAvailable: 8000 kB\n")
    assert memory_limit(tmp_path / "meminfo", nothing) == 8000 * 1024
    installed = memory_limit(nothing, nothing)
    assert installed is None or installed >= 2**28
