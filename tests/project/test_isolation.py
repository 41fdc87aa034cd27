"""What a test leaves behind in its process does not reach the next one."""

from __future__ import annotations

import io
import logging
import os

from isolation import restored


def test_the_environment_and_the_root_logger_are_restored(tmp_path):
    root = logging.getLogger()
    stream, file = logging.StreamHandler(io.StringIO()), logging.FileHandler(tmp_path / "a.log")
    before, level, environment = list(root.handlers), root.level, dict(os.environ)
    with restored():
        root.addHandler(stream)
        root.addHandler(file)
        root.setLevel(logging.DEBUG)
        os.environ["LEFT_BEHIND"] = "1"
    assert (root.handlers, root.level, dict(os.environ)) == (before, level, environment)
    assert file.stream is None  # an open file would be reported by whichever test comes next
