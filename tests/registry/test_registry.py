"""The three origins of plugins, conflicts, broken plugins, and what the list shows of them."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from framework import Stage
from framework.cli import plugins
from framework.errors import InputError, PluginError
from framework.registry import discovery, manager
from framework.registry.manager import Provider, Registry

GOOD = '''
from framework import ElementwiseOptimizer, hyper

class SlowDescent(ElementwiseOptimizer):
    """Half a step of descent."""
    lr: float = hyper(0.01, above=0)
    def rule(p, g, *, lr):
        return p - 0.5 * lr * g
'''


@pytest.fixture
def quiet():
    said = []
    return Registry(warn=said.append), said


def file(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def load(path, **environ):
    return manager.load([path], environ=environ)


def test_all_origins_end_in_the_same_registry(tmp_path):
    found = load(file(tmp_path, GOOD))
    entry = found.find("optimizer", "slow_descent")
    assert entry.provider.origin == "file" and entry.provider.path == tmp_path / "mine.py"
    assert found.find("optimizer", "adam").provider.origin == "built-in"
    assert entry.cls.summary() == "Half a step of descent."


def test_files_of_the_environment_are_loaded(tmp_path):
    first, second = file(tmp_path, GOOD), file(tmp_path, GOOD.replace("SlowDescent", "OtherDescent"), "other.py")
    found = manager.load(environ={"FRAMEWORK_PLUGINS": os.pathsep.join([str(first), str(second)])})
    assert {"slow_descent", "other_descent"} <= set(found.names("optimizer"))


def test_a_file_named_twice_is_loaded_once(tmp_path):
    path = file(tmp_path, GOOD)
    found = load(path, FRAMEWORK_PLUGINS=str(path))
    assert [provider.name for provider in found.providers].count("mine") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_like_this", "ModuleNotFoundError"),
        ("raise ValueError('broken on purpose')", "broken on purpose"),
        ("def oops(:", "SyntaxError"),
        ("x = 1", "no hook and no class"),
        ("raise SystemExit(3)", "SystemExit"),
        ("class Skipped(BaseException): pass\nraise Skipped('no GPU')", "Skipped: no GPU"),
        ("class Mute(Exception):\n    def __str__(self): return None\nraise Mute", "Mute: its message cannot be shown"),
        ("raise ValueError('x' * 20000)", "xxx…"),
        ("# caf\udce9\n" + GOOD, "SyntaxError"),
        ("from framework.registry import manager\nmanager.load()", "put that below a main guard"),
        ("from framework import hookimpl\n@hookimpl\ndef register_losses():\n    pass", "must yield LossSpec"),
        ("from framework import hookimpl\n@hookimpl\ndef register_optimisers():\n    return []", "register_optimisers"),
        (
            "from framework import hookimpl\n@hookimpl\ndef register_layers():\n    yield 3",
            "must yield LayerSpec, not 3",
        ),
        ("framework_api = 99\n" + GOOD, "plugin API 99"),
        (GOOD.replace("(p, g, *, lr)", "(p, g, v, *, lr)"), "slots declares"),
    ],
)
def test_a_broken_third_party_plugin_costs_one_line(tmp_path, capsys, monkeypatch, text, said):
    monkeypatch.setattr(manager, "_current", None)  # as in a process that has just started
    found = load(file(tmp_path, text))
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and len(line) < 1000 and line.startswith("warning: plugin mine") and said in line
    assert "FRAMEWORK_DISABLE_PLUGINS=mine" in line
    assert [p.status for p in found.providers if p.name == "mine"] == ["failed"]
    assert "adam" in found.names("optimizer")


def test_an_interrupt_while_a_plugin_is_imported_interrupts(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        load(file(tmp_path, "raise KeyboardInterrupt"))


def test_files_of_one_name_are_all_loaded_and_kept(tmp_path):
    paths = [file(tmp_path, GOOD.replace("Slow", name), f"{name}/mine.py") for name in ("One", "Two", "Three")]
    found = manager.load(paths, environ={})
    entries = [found.find("optimizer", f"{name}_descent") for name in ("one", "two", "three")]
    assert [entry.provider.name for entry in entries] == ["mine", "mine_2", "mine_3"]
    assert [entry.provider.path for entry in entries] == paths
    assert len({sys.modules[entry.cls.__module__].__file__ for entry in entries}) == 3


def test_entry_points_of_one_name_are_all_loaded(quiet):
    found, said = quiet
    for name in ("one", "two"):
        spec = manager.SPECS["stage"](name, type("Idle", (Stage,), {"__doc__": "Do nothing."}))
        plugin = SimpleNamespace(register_stages=manager.hookspecs.hookimpl(lambda spec=spec: [spec]))
        found.add(Provider("same", "entry point", name), lambda plugin=plugin: plugin)
        found.add(Provider("again", "entry point", name), lambda plugin=plugin: plugin)
    assert found.names("stage") == ["one", "two"]
    assert [line.partition(" was not loaded: ")[2][:36] for line in said] == [
        "it is the same module as plugin same"
    ] * 2


def test_the_source_that_is_loaded_is_the_source_that_is_kept(tmp_path):
    text = "# -*- coding: latin-1 -*-\n# caf\udce9\n" + GOOD
    path = file(tmp_path, text)
    entry = load(path).find("optimizer", "slow_descent")
    assert entry.provider.source == path.read_bytes()
    times = path.stat()
    file(tmp_path, text.replace("0.01", "0.02"))  # the same size and time: cached byte code would be taken for it
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(path).find("optimizer", "slow_descent").cls.fields["lr"].default == 0.02
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.py"]


def test_what_a_plugin_prints_stays_out_of_the_output(tmp_path, capsys):
    load(file(tmp_path, "print('hello')" + GOOD))
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent.py", "there is no such file"),
        ("folder.py", "this is a folder: name a Python file in it"),
        ("notes.txt", "a plugin is a Python file"),
        ("caf\udce9.py", "its path is not UTF-8"),
    ],
    ids=["absent", "folder", "text", "bytes"],
)
def test_what_is_no_plugin_file_is_an_input_error(tmp_path, name, said):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").touch()
    if name.startswith("caf"):
        try:
            (tmp_path / name).touch()
        except OSError:
            pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(InputError, match=rf"--plugin .*: {said}"):
        load(tmp_path / name)


def test_strict_mode_makes_it_an_error(tmp_path):
    with pytest.raises(PluginError, match="ModuleNotFoundError"):
        load(file(tmp_path, "import nothing_like_this"), FRAMEWORK_STRICT_PLUGINS="1")


def test_disabled_plugins_are_not_even_imported(tmp_path, capsys):
    found = load(
        file(tmp_path, "raise SystemExit('imported')"), FRAMEWORK_DISABLE_PLUGINS="mine, plugins.optimizers.adam"
    )
    assert capsys.readouterr().err == ""
    assert "adam" not in found.names("optimizer")
    assert {p.name for p in found.providers if p.status == "disabled"} == {"mine", "plugins.optimizers.adam"}


def test_no_plugins_loads_the_built_in_ones_alone(tmp_path):
    found = load(file(tmp_path, GOOD), FRAMEWORK_NO_PLUGINS="1")
    assert {provider.origin for provider in found.providers} == {"built-in"}


def test_one_name_from_two_plugins_names_both(tmp_path):
    twin = GOOD.replace("SlowDescent", "Adam")
    with pytest.raises(PluginError, match=r"optimizer adam is provided twice.*plugins\.optimizers\.adam.*plugin mine"):
        load(file(tmp_path, twin))


def test_a_failed_plugin_leaves_nothing_behind(quiet):
    found, said = quiet

    class Half:
        @manager.hookspecs.hookimpl
        def register_optimizers(self):
            from plugins.optimizers.adam import Adam

            yield manager.SPECS["optimizer"]("half", Adam)
            raise RuntimeError("half way")

    found.add(Provider("half", "file"), Half)
    assert "half way" in said[0]
    assert found.entries == {}


@pytest.mark.parametrize("name", ["Adam", "adam w", "a/b/c", "", "9lives"])
def test_names_must_be_plain(name):
    from plugins.optimizers.adam import Adam

    with pytest.raises(PluginError, match="must be like 'adam'"):
        manager.SPECS["optimizer"](name, Adam)


def test_a_class_of_another_kind_is_refused():
    from plugins.optimizers.adam import Adam

    with pytest.raises(PluginError, match="must be a subclass of Layer"):
        manager.SPECS["layer"]("adam", Adam)


def test_unknown_names_and_kinds_get_the_nearest():
    found = manager.load()
    with pytest.raises(InputError, match=r"no optimizer is called adm; did you mean .*adam"):
        found.find("optimizer", "adm")
    with pytest.raises(InputError, match="did you mean optimizer"):
        found.names("optimizers")


def test_every_module_below_plugins_is_a_plugin_that_gives_something():
    found = manager.load(environ={"FRAMEWORK_NO_PLUGINS": "1"})
    providers = {entry.provider.name for entry in found.entries.values()}
    bridges = {f"plugins.optimizers.bridges.{library}_bridge" for library in ("torch", "optax")}
    assert set(discovery.built_in_modules()) - providers <= bridges  # which give nothing without the extras
    assert len(discovery.built_in_modules()) > 60


def test_the_list_has_a_row_for_each_name_and_each_failure(tmp_path, capsys):
    found = load(file(tmp_path, "raise ValueError('no')"))
    rows = plugins.rows(found)
    assert all(set(row) == set(plugins.COLUMNS) for row in rows)
    assert any(row["name"] == "adam" and row["summary"] and row["version"] for row in rows)
    assert [row["error"] for row in rows if row["plugin"] == "mine"] == ["ValueError: no"]
    manager.install(found)
    try:
        assert plugins.main(["--json"]) == 0
        out = capsys.readouterr().out
        assert json.loads(out) == json.loads(json.dumps(rows))
        plugins.main([])
        assert "failed: ValueError: no" in capsys.readouterr().out
    finally:
        manager.install(None)


def test_a_plugin_file_is_no_importable_module_of_that_name(tmp_path):
    load(file(tmp_path, GOOD, "json.py"))
    assert sys.modules["json"] is json
