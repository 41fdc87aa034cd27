"""Another Hydra application in the same environment keeps its own groups."""

import subprocess
import sys

APPLICATION = """
import sys
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store("config", {"optimizer": "mine", "dataset": 1})

@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config):
    print(config.optimizer, config.dataset, "numpy" in sys.modules, "framework.registry.manager" in sys.modules)

main()
"""


def test_another_application_may_call_a_setting_optimizer(tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    words = [sys.executable, "app.py", "optimizer=theirs", "dataset=2", "hydra.run.dir=."]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["theirs", "2", "False", "False"]
