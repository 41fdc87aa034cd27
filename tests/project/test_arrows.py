"""Who imports whom: plugins the framework, the framework NumPy; what is heavy, late and in few places."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import PACKAGES, ROOT, package_of
from processes import PATIENCE, command

FRAMEWORK = sorted((ROOT / "framework").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("*.py") if "hydra" not in path.parts)

PUBLIC = {"framework", "framework.elementwise", "framework.tensors", "framework.errors"}
"""Modules that plugins may import from."""

LATE = {"mlflow", "numba", "llvmlite", "matplotlib", "sklearn", "torch", "jax", "optax", "pandas", "joblib", "ray"}
HEAVY = {"mlflow", "numba", "matplotlib", "sklearn", "torch", "pandas", "jax", "scipy", "joblib"}


def imports(path: Path, *, late: bool = True) -> Iterator[str]:
    """Yield the full dotted names a file imports; without ``late`` only those that importing it imports."""
    package = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*above, node.module or ""])
        elif not late and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif not late and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def top(name: str) -> str:
    return name.partition(".")[0]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_look_at():
    assert len(FRAMEWORK) > 40
    assert len(PLUGINS) > 60
    assert "numpy" in set(imports(ROOT / "framework" / "training" / "loop.py"))
    assert "mlflow" in set(imports(ROOT / "framework" / "tracking" / "store.py"))
    assert "mlflow" not in set(imports(ROOT / "framework" / "tracking" / "store.py", late=False))


def importers(*libraries: str, late: bool = True) -> set[str]:
    """Return the packages that import one of the libraries, whether for types, in functions or at once."""
    return {package_of(path) for path in FRAMEWORK if {top(name) for name in imports(path, late=late)} & {*libraries}}


def imported_packages(path: Path) -> set[str]:
    """Return the packages of the framework that a file imports from, whether for types, in functions or at once."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "framework":
            found |= {alias.name if alias.name in PACKAGES else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("framework."):
            found.add(f"{node.module}".split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("framework.")}
    return found


def test_the_list_of_packages_is_complete():
    assert {package_of(path) for path in FRAMEWORK} == {*PACKAGES}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_below_it(package):
    above = {*PACKAGES[: PACKAGES.index(package)]}
    wrong = {
        name_of(path): imported_packages(path) & above
        for path in FRAMEWORK
        if package_of(path) == package and imported_packages(path) & above
    }
    assert wrong == {}


def test_every_package_says_its_reason_and_nothing_else():
    for path in FRAMEWORK:
        if path.name == "__init__.py" and path.parent.name not in ("framework", "checks", "export"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1 and isinstance(body[0], ast.Expr), name_of(path)


def test_the_framework_never_imports_plugins():
    assert importers("plugins", "hydra_plugins") == set()


def test_only_one_package_imports_hydra():
    assert importers("hydra", "omegaconf") == {"hydra_app"}


def test_only_one_package_imports_mlflow_and_late():
    assert importers("mlflow") == {"tracking"}
    early = [path for path in FRAMEWORK if "mlflow" in {top(name) for name in imports(path, late=False)}]
    assert [path.name for path in early] == ["serving.py"]  # MLflow itself executes that file


SEEN = """
import sys
from pathlib import Path
from framework import hookimpl

@hookimpl
def run_started(run):
    Path(run.folder, "modules.txt").write_text(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_worker_process_loads_neither_hydra_nor_mlflow(tmp_path):
    (tmp_path / "seen.py").write_text(SEEN)
    words = ["-m", "seed=0,1", "launcher.workers=2", "launcher.block=1", "hydra.sweep.dir=s", "epochs=1"]
    done = command("--plugin=seen.py", *words, "tracking.enabled=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for number in "01":
        modules = set((tmp_path / "s" / number / "modules.txt").read_text().split())
        assert "framework" in modules
        assert modules & {"hydra", "omegaconf", "mlflow"} == set()


def test_only_built_in_plugins_use_relative_imports_and_only_for_one_another():
    """Their package has another name if the user has one called ``plugins``."""
    for path in [*FRAMEWORK, *PLUGINS]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert path in PLUGINS or not node.level, name_of(path)
                assert node.level or top(f"{node.module}") != "plugins", name_of(path)


def test_pluggy_stays_in_its_rooms():
    assert importers("pluggy") == {"hookspecs", "registry"}


@pytest.mark.parametrize("path", FRAMEWORK, ids=name_of)
def test_what_is_heavy_is_imported_inside_functions(path):
    found = {top(name) for name in imports(path, late=False)} & LATE
    allowed = {"serving": {"mlflow"}, "frames": {"pandas"}}.get(path.stem, set())  # they define classes of these
    assert found <= (allowed | {"torch"} if path.parent.name == "export" else allowed)


def test_what_needs_torch_is_itself_imported_late():
    for path in FRAMEWORK:
        if path.parent.name != "export":
            assert not [name for name in imports(path, late=False) if name.startswith("framework.export._")]


@pytest.mark.parametrize("path", PLUGINS, ids=name_of)
def test_plugins_import_the_framework_and_their_own_kind(path):
    kind = path.relative_to(ROOT / "plugins").parts[0]
    for name in imports(path, late=False):
        if top(name) == "plugins":
            assert name.startswith(f"plugins.{kind}."), f"{name} is another kind's"
        else:
            assert top(name) in {"framework", "numpy", *sys.stdlib_module_names}
    assert not {top(name) for name in imports(path)} & {"hydra", "omegaconf", "mlflow", "pluggy"}
    assert {name for name in imports(path) if top(name) == "framework"} <= PUBLIC


SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))
IMPORT = re.compile(r"^[ \t]*from (framework[\w.]*) import (\([^)]*\)|[^\n#(]+)", re.MULTILINE)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_what_a_script_imports_of_the_framework_exists(path):
    """No test runs most scripts; some of their imports stand in the text of another process."""
    for module, names in IMPORT.findall(path.read_text(encoding="utf-8")):
        for name in re.findall(r"(\w+)(?: as \w+)?", names):
            found = importlib.import_module(module)
            assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"


def loaded(*words: str, cwd: Path) -> tuple[set[str], str]:
    """Return the top-level modules that a Python process imported, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {top(line.rpartition("|")[2].strip()) for line in lines}, done.stdout


QUICK = {
    "import framework": (["-c", "import framework"], ""),
    "--help": (["-m", "framework", "--help"], "optimizer"),
    "help optimizer": (["-m", "framework", "help", "optimizer"], "adamw"),
    "help problem": (["-m", "framework", "help", "problem", "digits_mlp"], "4,810"),
    "optimizer=adam --help": (["-m", "framework", "optimizer=adam", "--help"], "Kingma"),
    "plugins": (["-m", "framework", "plugins"], "adam"),
    "plugins --json": (["-m", "framework", "plugins", "--json"], '"adam"'),
    "a wrong name": (["-m", "framework", "optimizer=adm"], ""),
    "a wrong number": (["-m", "framework", "optimizer.lr=-1"], ""),
    "a wrong sweep": (["-m", "framework", "-m", "optimizer=adam,sgd", "optimizer.lrr=1"], ""),
}


@pytest.mark.parametrize("what", QUICK)
def test_quick_answers_import_nothing_heavy(what, tmp_path):
    words, said = QUICK[what]
    modules, printed = loaded(*words, cwd=tmp_path)
    assert "framework" in modules
    assert said in printed
    assert modules & HEAVY == set()
    if "help" in what:
        assert modules & {"hydra", "llvmlite", "optax"} == set()


def test_importing_the_framework_imports_next_to_nothing(tmp_path):
    modules, _ = loaded("-c", "import framework", cwd=tmp_path)
    assert modules & {"numpy", "hydra", "omegaconf", "pluggy", "rich"} == set()


def test_a_run_without_tracking_never_imports_mlflow(tmp_path):
    words = ["-m", "framework", "tracking.enabled=false", "epochs=1", "problem=digits_softmax"]
    modules, printed = loaded(*words, cwd=tmp_path)
    assert "finished" in printed
    assert modules & {"mlflow", "sklearn", "torch", "pandas"} == set()
