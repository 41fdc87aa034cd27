"""Resources of the machine: cores and memory, within the limits of the scheduler and the container."""

from __future__ import annotations

import functools
import multiprocessing
import os
import warnings
from contextlib import AbstractContextManager
from pathlib import Path

from threadpoolctl import ThreadpoolController

MACHINE = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
UNKNOWN = 4 * 2**30
"""Bytes of memory that are assumed to be free if the system does not report them."""


def cores() -> int:
    """Return the number of cores that this process may use, within its affinity and the container's CPU limit."""
    with warnings.catch_warnings():  # `without_semaphores` says it in our words
        warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")
        from joblib import cpu_count

    return max(1, int(cpu_count()))


@functools.cache
def without_semaphores() -> str:
    """Return why worker processes cannot be started, or "": they need semaphores, which Linux keeps in /dev/shm."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return ""
    try:
        multiprocessing.get_context("fork").Lock()  # starts no process
    except (OSError, ImportError) as error:
        return f"no semaphores: {getattr(error, 'strerror', None) or error}"
    return ""


def available_memory(system: Path = MACHINE, group: Path = GROUP) -> int:
    """Return the bytes of memory that are free for new work; `UNKNOWN` if the system does not report them.

    Args:
        system: the kernel's file on the memory of the whole machine.
        group: the folder of the container's control group (cgroup v2); it need not exist.
    """
    free = _free(system, group)
    return UNKNOWN if free is None else free


def memory_limit(system: Path = MACHINE, group: Path = GROUP) -> int | None:
    """Return an upper bound on the bytes for new work: free memory, else installed memory; None if both are unknown.

    Args:
        system: as in `available_memory`.
        group: as in `available_memory`.
    """
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
    # The inactive file cache counts as used, but the kernel frees it on demand.
    used = int((group / "memory.current").read_text()) - (_listed(group / "memory.stat", "inactive_file") or 0)
    own = max(0, int(limit.read_text()) - used)
    return own if free is None else min(free, own)


def _listed(account: Path, name: str) -> int | None:
    """Return the number that follows ``name`` in a file, or None."""
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
    """Return the thread pool controller; cached per process, because the search scans all loaded libraries."""
    return ThreadpoolController()
