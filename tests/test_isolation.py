"""What a test leaves behind in its process does not reach the next one."""

from __future__ import annotations

import io
import logging
import os

from conftest import restored


def test_the_environment_and_the_root_logger_are_restored():
    root, handler = logging.getLogger(), logging.StreamHandler(io.StringIO())
    before, level, environment = list(root.handlers), root.level, dict(os.environ)
    with restored():
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        os.environ["LEFT_BEHIND"] = "1"
    assert (root.handlers, root.level, dict(os.environ)) == (before, level, environment)
