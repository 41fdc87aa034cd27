"""What a test leaves behind in its process, and how it is taken back."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restored() -> Iterator[None]:
    """Restore the environment and the root logger.

    MLflow and commands that run in this process set what other tests' processes read. Hydra's logging leaves handlers:
    one whose stream pytest has closed by the time that another test logs, and one with an open file.
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
