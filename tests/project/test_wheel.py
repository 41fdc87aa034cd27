"""The built wheel works from any folder, with its configs, plugins and Hydra parts in place."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("build", reason="needs the test extra: pip install -e '.[test]'")
    pytest.importorskip("hatchling", reason="needs the test extra: pip install -e '.[test]'")
    out = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_it_holds_what_it_should_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"framework", "plugins", "hydra_plugins"} <= tops
    assert {top for top in tops if not top.endswith(".dist-info")} == {"framework", "plugins", "hydra_plugins"}
    assert "framework/conf/config.yaml" in names and "hydra_plugins/__init__.py" not in names
    assert {f"framework/reports/assets/page.{kind}" for kind in ("html", "css", "js")} <= {*names}
    assert not any("/hydra/hydra_plugins/" in name for name in names)


def test_it_runs_from_any_folder(wheel, tmp_path):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    site = next(home.glob("lib/python*/site-packages"), home / "Lib" / "site-packages")
    done = subprocess.run(
        [python, "-m", "pip", "install", "--no-deps", "--quiet", str(wheel)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # the dependencies come from this environment; the checkout that it may hold must not
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    place = tmp_path / "elsewhere"
    place.mkdir()
    where = subprocess.run(
        [python, "-c", "import framework; print(framework.__file__)"], cwd=place, capture_output=True, text=True
    )
    assert Path(where.stdout.strip()).is_relative_to(home)
    words = [python, "-m", "framework", "optimizer=adam", "tracking.enabled=false", "epochs=2"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    words = [python, "-m", "framework", "-m", "optimizer=adam,sgd", "tracking.enabled=false", "epochs=1"]
    assert subprocess.run(words, cwd=place, capture_output=True).returncode == 0
