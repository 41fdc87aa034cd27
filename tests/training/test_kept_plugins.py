"""A model with a layer from a plugin: its file is kept with the model, checked by hash, and run only with consent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import config, trained

from framework.cli import commands
from framework.config.layers import expand_layers
from framework.errors import InputError
from framework.registry import manager
from framework.registry.manager import Provider
from framework.registry.sources import files
from framework.training import kept_plugins
from framework.training.predictor import Predictor

LAYER = '''
from framework import Layer, LayerSpec, hookimpl

class Bend(Layer):
    """y = x + x^2 / 2."""

    def forward(self, x, *, training):
        self._x = x
        return x + x * x / 2

    def backward(self, dy, *, need_dx):
        return dy * (1 + self._x) if need_dx else None

@hookimpl
def register_layers():
    yield LayerSpec("bend", Bend)
'''
LAYERS = ["flatten", {"layer": "dense", "units": 5, "activation": "bend"}, {"layer": "dense", "units": "outputs"}]
PIXELS = np.arange(128.0).reshape(2, 64) % 16


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(LAYER)
    return path


@pytest.fixture
def saved(tmp_path: Path, file: Path) -> tuple[Path, np.ndarray]:
    """A saved model, and what it predicted where its plugin was registered."""
    with manager.beside(manager.current()) as widened:
        widened.add_file(file)
        predictor = trained(config(epochs=1, model__layers=LAYERS))[0].predictor
        predictor.save(tmp_path / "model")
        return tmp_path / "model", predictor.predict(PIXELS)


def test_the_file_is_kept_and_runs_with_consent_alone(saved: tuple[Path, np.ndarray]) -> None:
    folder, expected = saved
    assert (folder / "plugins" / "mine.py").read_text() == LAYER
    with pytest.raises(InputError, match=r"plugins/mine\.py: the model needs the layer bend .*plugins=True"):
        Predictor.load(folder)
    assert np.array_equal(Predictor.load(folder, plugins=True).predict(PIXELS), expected)
    assert ("layer", "bend") not in manager.current().entries
    assert sorted(path.name for path in folder.rglob("*")) == ["mine.py", "model.json", "plugins", "weights.npz"]


def test_the_same_plugin_needs_no_consent(saved: tuple[Path, np.ndarray], file: Path) -> None:
    folder, expected = saved
    (folder / "plugins" / "mine.py").unlink()
    with manager.beside(manager.current()) as widened:
        widened.add_file(file)
        assert np.array_equal(Predictor.load(folder).predict(PIXELS), expected)


def test_another_plugin_with_that_layer_is_not_taken_for_it(saved: tuple[Path, np.ndarray], file: Path) -> None:
    folder, expected = saved
    file.write_text(LAYER.replace("x * x / 2", "x * x"))
    with manager.beside(manager.current()) as widened:
        widened.add_file(file)
        with pytest.raises(InputError, match="plugins=True"):
            Predictor.load(folder)
        assert np.array_equal(Predictor.load(folder, plugins=True).predict(PIXELS), expected)
        assert widened.find("layer", "bend").provider.path == file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAYER + "\n", "has changed since the model was saved"),
        (None, "there is no such file"),
    ],
    ids=["changed", "missing"],
)
def test_a_file_that_is_not_the_kept_one_is_not_run(
    saved: tuple[Path, np.ndarray], text: str | None, said: str
) -> None:
    kept = saved[0] / "plugins" / "mine.py"
    kept.unlink()
    if text is not None:
        kept.write_text("raise SystemExit('run')" + text)
    with pytest.raises(InputError, match=said):
        Predictor.load(saved[0], plugins=True)


def test_a_file_that_does_not_load_here_is_an_input_error(tmp_path: Path) -> None:
    content = b"import nothing_like_this"
    kept_plugins.save({"mine.py": content}, tmp_path)
    plugin = kept_plugins.Needed("mine", ("bend",), "mine.py", kept_plugins._hash(content))
    with pytest.raises(InputError, match=r"mine\.py: .*No module named 'nothing_like_this'"):
        plugin.layer_classes(tmp_path, consent=True)


def test_a_kept_file_is_looked_for_in_the_models_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LAYER)
    plugin = kept_plugins.Needed("mine", ("bend",), "../../mine.py", kept_plugins._hash(LAYER.encode()))
    with pytest.raises(InputError, match="there is no such file"):
        plugin.layer_classes(tmp_path / "model", consent=True)


def test_installed_packages_are_named_not_kept(tmp_path: Path, file: Path) -> None:
    source = manager.load([file], environ={}).find("layer", "bend")
    entry = manager.Registered("layer", "bend", source.cls, Provider("bends", "entry point", "my-layers", "1.5"))
    with manager.beside(manager.current()) as widened:
        widened.entries["layer", "bend"] = entry
        plugins, kept = kept_plugins.needed(expand_layers(["dense", "bend", "dense"]))
        assert plugins[0].layer_classes(tmp_path, consent=False) == {"bend": source.cls}
    assert kept == {}
    assert kept_plugins.requirements(plugins) == ["my-layers==1.5"]
    with pytest.raises(InputError, match=r"layer bend of package my-layers==1\.5: install it"):
        plugins[0].layer_classes(tmp_path, consent=True)


def test_files_of_one_name_are_kept_apart() -> None:
    twins = [Provider("rule", "file", source=b"1"), Provider("inline rule", "inline", source=b"2")]
    assert files([*twins, Provider("built", "built-in")]) == {"rule.py": twins[0], "rule_2.py": twins[1]}


SCRIPT = """
import sys
import mlflow, numpy as np
import framework
import plugins

folder, uri = sys.argv[1:]
run = framework.load(folder, plugins=True)
x = np.arange(8.0).reshape(2, 4)
mlflow.set_tracking_uri(uri)
served = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
assert np.array_equal(served.predict(x), run.predict(x))
assert served.metadata.signature.outputs.inputs[0].shape == (-1, 3)
try:
    framework.load(folder).predict(x)
except framework.InputError as error:
    print(error)
"""


def test_a_new_process_loads_the_run_and_mlflows_model(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in manager.VARIABLES:
        monkeypatch.setenv(name, "")
    words = [f"--plugin={file}", "dataset=iris", "epochs=1", "model.layers=[bend,{layer: dense, units: outputs}]"]
    assert commands.main([*words, "~model.sizes", "~model.activation", "tracking.uri=sqlite:///mlflow.db"]) == 0
    manager.install(None)
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "")  # the command left the file there, for its workers
    assert capfd.readouterr().err == ""
    file.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plugins.py").touch()  # the user's own module may have the name of ours
    (folder,) = (tmp_path / "outputs").glob("*/*")
    (elsewhere / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py", str(folder), f"sqlite:///{tmp_path}/mlflow.db"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "framework.load(RUN, plugins=True)" in done.stdout
