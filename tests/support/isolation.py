"""Restore the process state that tests change."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restored() -> Iterator[None]:
    """Restore the environment and the root logger when the context ends.

    MLflow and commands that run in this process set environment variables that other tests' processes would inherit.
    Hydra's logging leaves two handlers on the root logger: one writes to a stream that pytest has closed by the time
    another test logs, and one keeps a file open.
    """
    before, root = dict(os.environ), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
        for name in {*before, *os.environ} - {"PYTEST_CURRENT_TEST"}:
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]
