"""What the machine has for us: cores and free memory, as far as the scheduler and the container let us use them."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from pathlib import Path

from threadpoolctl import ThreadpoolController

MACHINE = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
UNKNOWN = 4 * 2**30
"""Bytes of memory that are taken to be free where the system does not say."""


def cores() -> int:
    """Return how many cores this process may use: affinity and a container's share count."""
    from joblib import cpu_count

    return max(1, int(cpu_count()))


def available_memory(system: Path = MACHINE, group: Path = GROUP) -> int:
    """Return the bytes of memory that are free for new work; `UNKNOWN` where the system does not say.

    Args:
        system: the kernel's account of the whole machine.
        group: the folder of the container's own account (cgroup v2), where there is one.
    """
    free = _free(system, group)
    return UNKNOWN if free is None else free


def memory_limit(system: Path = MACHINE, group: Path = GROUP) -> int | None:
    """Return the bytes that new work cannot exceed: those free, else those installed; None where neither is known."""
    free = _free(system, group)
    if free is not None or not hasattr(os, "sysconf"):
        return free
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free(system: Path, group: Path) -> int | None:
    machine = _listed(system, "MemAvailable:")
    free = None if machine is None else machine * 1024
    limit = group / "memory.max"
    if not limit.is_file() or limit.read_text().strip() == "max":
        return free
    # The cache of files that nobody reads just now counts as used, but makes room when asked.
    used = int((group / "memory.current").read_text()) - (_listed(group / "memory.stat", "inactive_file") or 0)
    own = max(0, int(limit.read_text()) - used)
    return own if free is None else min(free, own)


def _listed(account: Path, name: str) -> int | None:
    """Return the number that a file lists behind a name, or None."""
    if account.is_file():
        for line in account.read_text().splitlines():
            words = line.split()
            if words and words[0] == name:
                return int(words[1])
    return None


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Return a context in which NumPy's matrix products use ``count`` threads."""
    return _controller().limit(limits=count, user_api="blas")


@functools.cache
def _controller() -> ThreadpoolController:
    """Return what holds the thread pools, found once a process: the search reads all libraries that are loaded."""
    return ThreadpoolController()
