"""The pool of worker processes: joblib's own engine, or Ray or Dask through joblib's interface."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from framework import DISTRIBUTION
from framework.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

ENGINES = {"ray": "ray", "dask": "distributed"}
"""Backends that need an optional dependency group of the same name, with the module that shows it is installed."""


WATCH_SECONDS = 0.1
"""Interval at which a worker checks that its parent is there."""

_BLOCKED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def require(backend: str) -> None:
    """Raise InputError if the engine of a backend is not installed.

    Raises:
        InputError: the engine is not installed; the message has the command that installs it.
    """
    module = ENGINES.get(backend)
    if module is not None and importlib.util.find_spec(module) is None:
        raise InputError(f"launcher.backend={backend} is not installed: pip install '{DISTRIBUTION}[{backend}]'")


def deaths(backend: str) -> tuple[type[Exception], ...]:
    """Return the exception types that the engine raises if a worker process died.

    A Dask cluster of the user's own may first try the task again on other workers.
    """
    if backend == "ray":
        from ray.exceptions import RayActorError

        return (RayActorError,)
    if backend == "dask":
        from distributed import KilledWorker

        return (KilledWorker,)
    from joblib.externals.loky.process_executor import BrokenProcessPool

    return (BrokenProcessPool,)


Calls = Iterable[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]
"""Functions with their arguments, as `joblib.delayed` returns them."""


@contextmanager
def pool(backend: str, workers: int) -> Iterator[Callable[[Calls], Iterator[Any]]]:
    """Provide a function that makes calls in a pool of ``workers`` processes, as a context manager.

    It yields results as they complete; with Ray, all of them at the end. Ray and Dask use the cluster that the process
    is connected to (``RAY_ADDRESS``, ``DASK_SCHEDULER_ADDRESS``), otherwise they start one on this machine.
    """
    if backend == "dask":
        with _dask(workers) as client:
            yield partial(_dask_results, client)
        return
    from joblib import Parallel

    if backend == "ray":
        from ray.util.joblib import register_ray

        register_ray()
        yield Parallel(workers, backend=backend, batch_size=1)
    else:
        yield Parallel(
            workers,
            backend=backend,
            return_as="generator_unordered",
            batch_size=1,
            initializer=end_with_parent,
            initargs=(os.getpid(),),
        )


def end_with_parent(parent: int) -> None:
    """End this worker process when its parent is gone, however that ended; leave Ctrl-C to the parent.

    Without its parent, a worker would train all blocks that it has been given, and would then wait for more.

    Args:
        parent: id of the parent process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
    threading.Thread(target=_watch, args=(parent,), name="framework-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)  # at once: the journals hold what was trained


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Delay signals while worker processes are started, and let the workers start with the signals blocked.

    An interrupted import of joblib would fail with another error. A terminal sends Ctrl-C to all its processes: a
    worker that is still importing modules would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        resource_tracker.ensure_running()  # the start of a worker would start it; it unblocks signals
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _dask(workers: int) -> Iterator[Client]:
    import dask
    from distributed import Client

    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    own = {} if address else {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    # A death is reported at once, as by the other engines: retries are not the scheduler's.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), Client(address, **own) as client:
        yield client


def _dask_results(client: Client, calls: Calls) -> Iterator[Any]:
    """Yield results as they complete. Not through joblib, which waits for ever for a task that Dask gave up."""
    from distributed import as_completed

    futures = [client.submit(function, *given, pure=False, **named) for function, given, named in calls]
    for future in as_completed(futures):
        yield future.result()
