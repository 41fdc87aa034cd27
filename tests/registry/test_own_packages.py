"""The user's own packages may have the names that this project and Hydra use."""

import subprocess
import sys

RULE = '''
from framework import ElementwiseOptimizer, hyper
from plugins import START
from plugins.layers.helper import FACTOR

class Mine(ElementwiseOptimizer):
    """Descent."""
    lr: float = hyper(START, above=0)
    def rule(p, g, *, lr):
        return p - FACTOR * lr * g
'''
QUICK = ("tracking.enabled=false", "progress=false", "dataset=iris", "epochs=1")


def command(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "framework", *words, *QUICK], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_packages_called_plugins_hydra_plugins_and_conf(tmp_path):
    texts = {
        "plugins/__init__.py": "START = 0.125",
        "plugins/layers/__init__.py": "",
        "plugins/layers/helper.py": "FACTOR = 0.5",
        "hydra_plugins/__init__.py": "",
        "conf/config.yaml": "seed: 99",
        "mine.py": RULE,
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    words = ("--plugin", "mine.py", "-m", "optimizer=mine,sam", "launcher.workers=2", "launcher.block=1")
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 processes" in done.stdout
    assert "mine lr=0.125" in done.stdout and "sam lr=0.1" in done.stdout


def test_modules_called_plugins_and_hydra_plugins(tmp_path):
    (tmp_path / "plugins.py").write_text("raise RuntimeError('imported')")
    assert command(cwd=tmp_path).returncode == 0
    (tmp_path / "hydra_plugins.py").touch()
    done = command(cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "hydra_plugins.py: Hydra looks for its plugins under this name: rename the file" in done.stderr
