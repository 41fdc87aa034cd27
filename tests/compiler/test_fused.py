"""Compiled steps against NumPy's, bit for bit; what is refused and why; the cache; when a compiled loop pays."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from chains import Constant, Falling, chain, follow, optimizer_class, recorded
from places import ROOT
from processes import PATIENCE

from framework.base.elementwise_optimizer import ElementwiseOptimizer, apply_rule, when
from framework.base.fields import flag, hyper
from framework.base.parameters import Parameters
from framework.compiler import cache, fused, llvm
from framework.compiler.threads import Team
from framework.elementwise import absolute, copysign, maximum, minimum, sign, sqrt, where
from framework.errors import InputError
from framework.registry import manager
from framework.training.update import TABLE, Update

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-42, -1e-310, 1e30, -1e300, 1.0]
WORDS = {"float32": np.uint32, "float64": np.uint64}
ELEMENTWISE = [name for name in manager.current().names("optimizer") if optimizer_class(name).elementwise]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    """Keep this user's own cache out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty cache, on disk and in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    llvm.load.cache_clear()
    fused._log_once.cache_clear()
    yield tmp_path / "framework" / "kernels"
    llvm.load.cache_clear()
    fused._log_once.cache_clear()


def bits(array):
    """Return an array's bits; which NaN it is does not matter."""
    known = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return known.view(WORDS[known.dtype.name])


def update(optimizer, runs, size, dtype, kernel, seed=0, **options):
    parameters = Parameters({"a": (size // 2,), "b": (size - size // 2,)}, runs, dtype)
    with np.errstate(over="ignore"):
        numbers = np.random.default_rng(seed).standard_normal(parameters.flat.shape).astype(dtype)
        numbers[:, : len(SPECIAL)] = np.array(SPECIAL)[:size]
    parameters.flat[...] = numbers
    return Update(optimizer, parameters, parameters.like(), schedule=Constant(), kernel=kernel, **options)


def stepped(made, steps=6, seed=1, first=1):
    """Take steps with gradients that hold every special value, also where parameters hold others."""
    rng = np.random.default_rng(seed)
    shape = made.parameters.flat.shape
    for t in range(first, first + steps):
        gradient = 10.0 ** rng.uniform(-3, 1, shape) * rng.standard_normal(shape)
        for start in (0, 3, 20, 20 + t):
            gradient[:, start : start + len(SPECIAL)] = np.array(SPECIAL)[: max(0, shape[1] - start)]
        with np.errstate(over="ignore"):
            made.gradients.flat[...] = gradient
        before = made.gradients.flat.copy()
        made.step(t)
        assert np.array_equal(bits(made.gradients.flat), bits(before))
    return made


def same(one, other):
    assert one.state.keys() == other.state.keys()
    for name, array in {"parameters": one.parameters.flat, **one.state}.items():
        found = {"parameters": other.parameters.flat, **other.state}[name]
        assert np.array_equal(bits(array), bits(found)), name
    return True


def settings(name, runs, switched):
    """Return another value of each hyperparameter for each run, with all flags as ``switched`` says."""
    chosen = {}
    for key, field in optimizer_class(name).fields.items():
        if field.column:
            low, high = field.search or (field.default, field.default)
            chosen[key] = np.linspace(low + 0.1 * (high - low), high, runs).tolist()
        elif field.kind == "flag":
            chosen[key] = switched
    if chosen.get("nesterov") and "dampening" in chosen:
        chosen["dampening"] = 0.0
    return chosen


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_fused_steps_have_numpys_bits(name, switched, dtype):
    cls = optimizer_class(name)
    if switched and not any(field.kind == "flag" for field in cls.fields.values()):
        switched = False  # nothing to switch: the very same structure, with other numbers
    for runs in (1, 5):
        optimizer = cls(**settings(name, runs, switched))
        compiled = stepped(update(optimizer, runs, 171, dtype, "fused"))
        assert same(stepped(update(optimizer, runs, 171, dtype, "numpy")), compiled)
        assert np.isfinite(compiled.parameters.flat).any()
        assert (compiled.compiled is not None) == (cls.exact and fused.plain(cls))


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 63, 64, 65, 1000, 4099])
def test_any_number_of_elements(size):
    for runs in (1, 3):
        adam = optimizer_class("adam")(amsgrad=True)
        assert same(*(stepped(update(adam, runs, size, np.float32, kernel)) for kernel in ("numpy", "fused")))


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("size", [5, 1000, 1001])
def test_threads_share_the_elements_without_changing_a_bit(threads, size, monkeypatch):
    monkeypatch.setattr(fused, "SHARED_FROM", 1)
    monkeypatch.setattr(fused, "CHUNK", 100)
    adam = optimizer_class("adam")()
    together = stepped(update(adam, 3, size, np.float32, "fused", threads=threads), 50)
    assert same(stepped(update(adam, 3, size, np.float32, "numpy"), 50), together)


def rule_class(rule_function, **body):
    return type("Trial", (ElementwiseOptimizer,), {"__doc__": "A trial.", "rule": rule_function, **body})


FORMULAS = {
    "maximum": lambda p, g: maximum(p, g),
    "minimum": lambda p, g: minimum(p, g),
    "maximum with a number": lambda p, g: maximum(0.0, p) + minimum(g, -0.0),
    "copysign": lambda p, g: copysign(p, g) + copysign(2.0, p),
    "sign": lambda p, g: sign(p) / sign(g),
    "sqrt": lambda p, g: sqrt(p) + g**0.5,
    "square": lambda p, g: p**2 - g**2.0,
    "absolute": lambda p, g: absolute(p) - abs(g),
    "negative": lambda p, g: -p + +g,
    "division": lambda p, g: p / g,
    "tiny": lambda p, g: p * 1e-30 * 1e-10 + g,
    "a product and a sum": lambda p, g: p * 1.1 + g * p,
    "order": lambda p, g: where(p > g, p, where(p >= 1, g, where(p < -0.5, 3.0, p))),
    "equality": lambda p, g: where(p == g, 1, p) * where(p != g, 2.0, g),
    "logic": lambda p, g: where((p > 0) & ~(g < 0) | (p < -1), p, 0.5 * g),
    "counting": lambda p, g: (p > 0) * g + (g <= p),
    "a number": lambda p, g: 0.1,
    "reflected": lambda p, g: 1 / p - 3 + (2 - g) * 1e300,
    "nothing added": lambda p, g: copysign(1.0, p + 0.0) - copysign(2.0, 0.0 - g),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_each_operation_has_numpys_bits_on_all_pairs_of_values(name, dtype):
    with np.errstate(over="ignore"):
        values = np.array([*SPECIAL, -1.0, 0.1, -7.3, 3.4e38, 1e-38, 5e-324]).astype(dtype)
    pairs = np.stack(np.meshgrid(values, values)).reshape(2, -1)
    found = []
    for kernel in ("numpy", "fused"):
        parameters = Parameters({"x": (pairs.shape[1],)}, 1, dtype)
        parameters.flat[...] = pairs[0]
        made = Update(rule_class(FORMULAS[name])(), parameters, parameters.like(), kernel=kernel)
        made.gradients.flat[...] = pairs[1]
        with np.errstate(all="ignore"):
            made.step(1)
        found.append(parameters.flat)
    assert made.compiled is not None
    assert np.array_equal(*(bits(array) for array in found))


def test_state_may_be_dropped_kept_or_set_and_flags_choose():
    class Trial(ElementwiseOptimizer):
        """A trial."""

        lr: float = hyper(0.1, above=0)
        twice: bool = flag(False)
        slots = {"last": 0, "kept": 3, "count": 0, "extra": when("twice", 1)}  # noqa: RUF012

        def rule(p, g, last, kept, count, extra, *, lr, twice):  # noqa: N805
            if twice:
                extra = extra * 2
            return p - lr * g * (extra if twice else 1), g, kept, 0.25, extra

    for twice in (False, True):
        made = [stepped(update(Trial(twice=twice), 2, 40, np.float32, kernel)) for kernel in ("numpy", "fused")]
        assert made[1].compiled is not None
        assert same(*made)
    assert (made[1].state["rule/extra"] == 64).all()


@pytest.mark.parametrize("name", ["adam", "nadam"])
@pytest.mark.parametrize(("first", "total", "numpy_steps"), [(1, TABLE + 5, 3), (1, None, 1), (TABLE - 1, None, 7)])
def test_a_compiled_loop_takes_over_between_any_two_steps(name, first, total, numpy_steps, monkeypatch):
    monkeypatch.setattr("framework.training.engine.numpy_steps", lambda *chain: numpy_steps)
    optimizer = optimizer_class(name)(lr=[0.1, 0.2])
    auto = update(optimizer, 2, 40, np.float32, "auto", total=total)
    if total is None:  # else at the first step already
        stepped(auto, numpy_steps - 1, first=first)
        assert auto.compiled is None
    again = update(optimizer, 2, 40, np.float32, "auto", total=total)
    stepped(again, TABLE + 5, first=first)
    assert again.compiled is not None
    assert same(stepped(update(optimizer, 2, 40, np.float32, "numpy"), TABLE + 5, first=first), again)


def took_over(made, steps):
    """Return the steps after which there is a compiled loop."""
    found = []
    for t in range(1, steps + 1):
        made.step(t)
        if made.compiled is not None:
            found.append(t)
    return found


def test_a_compiled_loop_pays_when_the_steps_to_come_take_longer_than_getting_it():
    def adam(total, size=1000, runs=1):
        return update(optimizer_class("adam")(lr=[0.1] * runs), runs, size, np.float32, "auto", total=total)

    assert took_over(adam(10_000), 3) == [1, 2, 3]
    assert took_over(adam(100), 100) == []
    assert took_over(adam(100, size=1_000_000), 1) == [1]
    assert took_over(adam(100, runs=1000), 1) == [1]
    enough = took_over(adam(None), 3000)[0]
    assert took_over(adam(enough), 1) == [1]
    assert took_over(adam(enough - 1), 1) == []


def test_a_busy_machine_changes_nothing(monkeypatch):
    def slow(*arguments):
        time.sleep(0.03)
        apply_rule(*arguments)

    monkeypatch.setattr("framework.base.elementwise_optimizer.apply_rule", slow)
    assert took_over(update(optimizer_class("adam")(), 1, 40, np.float32, "auto", total=8), 8) == []


def test_restoring_and_other_schedules_work_in_compiled_steps():
    start, gradients = recorded(2, 9, 30)
    nadam = optimizer_class("nadam")(lr=[0.1, 0.01])
    unbroken = follow(chain(nadam, start, schedule=Falling()), gradients)
    parameters = Parameters({"a": (9,)}, 2, np.float64)
    parameters.flat[...] = start
    made = Update(nadam, parameters, parameters.like(), schedule=Falling(), kernel="fused")
    assert np.array_equal(follow(made, gradients[:13]), unbroken[:13])
    saved, stood = {name: array.copy() for name, array in made.state.items()}, parameters.flat.copy()
    follow(made, gradients[13:], first=14)
    parameters.flat[...] = stood
    made.restore(saved)
    assert np.array_equal(follow(made, gradients[13:], first=14), unbroken[13:])
    assert made.compiled is not None


def test_a_step_allocates_nothing_that_grows_with_the_model():
    made = stepped(update(optimizer_class("adam")(), 1, 100_000, np.float32, "fused"), 3)
    tracemalloc.start()
    try:
        for t in range(4, 40):
            made.step(t)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def _in_place(p, g):
    step = g * 0.1
    step += p
    return step


REFUSED = {
    "an if": (lambda p, g: p if g > 0 else g, "it applies if, and, or, not to a number: use where, &, |, ~"),
    "another function": (lambda p, g: p - np.exp(g), "it uses exp: use the functions of framework.elementwise"),
    "a reduction": (lambda p, g: p - np.mean(g), "it uses mean: use the functions of framework.elementwise"),
    "a power": (
        lambda p, g: p - g**3,
        "it raises to the power 3: only **2 and **0.5 have the same bits in every engine",
    ),
    "float64": (lambda p, g: p - np.sqrt(0.5) * g, "it mixes float64 (the number 0.7071067811865476) with float32: "),
    "two plain numbers": (lambda p, g: where(p > g, 1.0, -1.0), "where(…, 1.0, -1.0) of two Python numbers is "),
    "in place": (_in_place, "it changes an array in place (such as +=): write x = x + y"),
    "truths": (lambda p, g: p * ((p > 0) * 2.0), "it computes with booleans (the results of comparisons): use where"),
    "an array": (lambda p, g: p * np.ones(1, np.float32), "it uses a ndarray as a number"),
    "a number as a truth": (lambda p, g: where(g, p, g), "it uses a number where a comparison is expected"),
    "its own mistake": (lambda p, g: p.sum(), "AttributeError: 'Symbol' object has no attribute 'sum'"),
}


def refused_step(cls, caplog, monkeypatch):
    """Step twice where a compiled loop is wanted; return the log's lines and the parameters."""
    fused._log_once.cache_clear()
    caplog.clear()
    made = [update(cls(), 1, 1, np.float32, "fused") for _ in range(2)]
    for each in made:
        each.gradients.flat[...] = 0.5
        each.step(1)
        assert each.compiled is None
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING], made[0]


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_that_cannot_be_compiled_says_why_once_and_goes_on(name, caplog, monkeypatch):
    rule, reason = REFUSED[name]
    cls = rule_class(rule)
    lines, compiled = refused_step(cls, caplog, monkeypatch)
    assert len(lines) == 1
    assert lines[0].startswith(f"optimizer Trial runs in NumPy because its rule cannot be compiled: {reason}")
    plain = update(cls(), 1, 1, np.float32, "numpy")
    plain.gradients.flat[...] = 0.5
    plain.step(1)
    assert same(plain, compiled)


def test_a_rule_that_is_not_exact_or_not_all_of_the_step_is_left_to_numpy(caplog, monkeypatch):
    inexact = rule_class(lambda p, g: p - g, exact=False)
    assert refused_step(inexact, caplog, monkeypatch)[0] == [
        "optimizer Trial runs in NumPy because its rule cannot be compiled: its class sets exact = False"
    ]

    class More(rule_class(lambda p, g: p - g)):
        """More than its rule."""

        def step(self, parameters, gradients, state, columns, objective):
            parameters.flat[...] = 7.0

    lines, made = refused_step(More, caplog, monkeypatch)
    assert lines == [
        "optimizer More runs in NumPy because its rule cannot be compiled: its step is more than an elementwise rule"
    ]
    assert (made.parameters.flat == 7.0).all()
    assert not fused.fusable(inexact())
    assert not fused.fusable(More())


def test_numbers_of_float64_are_welcome_in_float64():
    cls = rule_class(lambda p, g: p - np.sqrt(0.5) * where(g > 0, 1.0, -1.0))
    compiled = stepped(update(cls(), 1, 40, np.float64, "fused"))
    assert compiled.compiled is not None
    assert same(stepped(update(cls(), 1, 40, np.float64, "numpy")), compiled)


def test_without_llvmlite_numpy_runs_the_rule(fresh, caplog, monkeypatch):
    llvm._host.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    adam = optimizer_class("adam")()
    compiled = stepped(update(adam, 1, 40, np.float32, "fused"))
    llvm._host.cache_clear()
    assert compiled.compiled is None
    assert "llvmlite cannot be imported" in caplog.text
    assert "pip install llvmlite" in caplog.text
    assert same(stepped(update(adam, 1, 40, np.float32, "numpy")), compiled)


def test_neither_framework_nor_a_short_run_imports_a_compiler():
    script = (
        "import sys, framework.training.loop, framework\n"
        "framework.trace('adam', lambda x: 2 * x, [3.0], 200)\n"
        "assert not {'llvmlite', 'numba'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def adam_once(kernel="fused"):
    return stepped(update(optimizer_class("adam")(), 2, 40, np.float32, kernel), 2)


def test_a_compiled_loop_is_found_again_on_disk(fresh, monkeypatch):
    first = adam_once()
    assert len(list(fresh.iterdir())) == 1
    llvm.load.cache_clear()
    monkeypatch.setattr(llvm, "_compile", None)
    assert same(first, adam_once())
    monkeypatch.setattr(llvm, "FORMAT", llvm.FORMAT + 1)
    llvm.load.cache_clear()
    llvm._host.cache_clear()
    with pytest.raises(TypeError):
        adam_once()
    llvm._host.cache_clear()


@pytest.mark.parametrize(
    "broken",
    [lambda code: b"", lambda code: code[:-1], lambda code: code[:99] + b"!" + code[100:], lambda code: b"x" * 5000],
)
def test_a_broken_file_is_compiled_anew_and_replaced(broken, fresh):
    whole = adam_once()
    (file,) = fresh.iterdir()
    content = file.read_bytes()
    file.write_bytes(broken(content))
    llvm.load.cache_clear()
    assert same(whole, adam_once())
    assert file.read_bytes() == content


def test_a_file_under_another_name_is_not_run(fresh):
    adam_once()
    (adam,) = fresh.iterdir()
    llvm.load.cache_clear()
    sgd = optimizer_class("sgd")()
    stepped(update(sgd, 2, 40, np.float32, "fused"), 2)
    (other,) = set(fresh.iterdir()) - {adam}
    other.write_bytes(adam.read_bytes())
    llvm.load.cache_clear()
    assert same(*(stepped(update(sgd, 2, 40, np.float32, kernel), 2) for kernel in ("fused", "numpy")))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no file modes")
def test_a_directory_that_others_can_write_is_neither_read_nor_written(fresh, monkeypatch):
    whole = adam_once()
    fresh.chmod(0o777)
    compiled = []
    real = llvm._compile
    monkeypatch.setattr(llvm, "_compile", lambda *given: compiled.append(1) or real(*given))
    llvm.load.cache_clear()
    assert same(whole, adam_once())
    assert compiled == [1]
    cache.put("other", b"code")
    assert len(list(fresh.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no file modes")
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777], ids=["all", "group", "sticky"])
def test_a_folder_above_that_others_can_write_is_trusted_only_if_it_is_sticky(mode, fresh):
    cache.put("key", b"code")
    above = fresh.parents[1]
    above.chmod(mode)
    assert cache.get("key") == (b"code" if mode & 0o1000 else None)
    cache.put("other", b"code")
    assert (fresh / "other").exists() == bool(mode & 0o1000)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no file modes")
def test_a_link_on_the_way_is_as_safe_as_its_folder(fresh, tmp_path, monkeypatch):
    cache.put("key", b"code")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared / "link"))
    assert cache.get("key") == b"code"
    shared.chmod(0o777)
    assert cache.get("key") is None


def _writable(file):
    file.chmod(0o666)


def _linked(file):
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


def _piped(file):
    file.unlink()
    os.mkfifo(file)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no file modes")
@pytest.mark.parametrize("change", [_writable, _linked, _piped], ids=["writable", "link", "pipe"])
def test_code_that_another_user_could_have_written_is_not_loaded(change, fresh):
    cache.put("key", b"code")
    assert cache.get("key") == b"code"
    change(fresh / "key")
    assert cache.get("key") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no file modes")
def test_a_cached_file_is_the_users_own_whatever_the_mask(fresh):
    before = os.umask(0)
    try:
        cache.put("key", b"code")
    finally:
        os.umask(before)
    assert cache.get("key") == b"code"


def test_a_place_that_cannot_hold_a_cache_costs_nothing_else(tmp_path, fresh, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert adam_once().compiled is not None


def test_old_files_make_room(fresh, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3)
    for age, key in enumerate("abcde"):
        cache.put(key, b"code")
        os.utime(fresh / key, (1000 + age, 1000 + age))
    cache.put("f", b"code")
    assert {file.name for file in fresh.iterdir()} == {"d", "e", "f"}
    assert cache.get("f") == b"code"
    assert cache.get("a") is None


SCRIPT = """
import sys
import numpy as np
from framework.registry import manager
from framework.base.parameters import Parameters
from framework.training.update import Update

manager.install(manager.load([sys.argv[1]]))
p = Parameters({"x": (100,)}, 1, np.float32)
made = Update(manager.find("optimizer", "mine").cls(), p, p.like(), kernel="fused")
made.gradients.flat[...] = 1
made.step(1)
assert made.compiled is not None
print(p.flat[0, 0])
"""

PLUGIN = """
from framework.base.elementwise_optimizer import apply_rule
from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.base.fields import hyper

def halved(x):
    return {half} * x

class Mine(ElementwiseOptimizer):
    '''Mine.'''
    lr: float = hyper(1.0, above=0)

    def rule(p, g, *, lr):
        return p - lr * halved(g)
"""


def processes(plugin, count=1):
    """Run processes at once; return what each printed."""
    command = [sys.executable, "-c", SCRIPT, str(plugin)]
    made = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    printed = [each.communicate()[0].strip() for each in made]
    assert [each.returncode for each in made] == [0] * count
    return printed


def test_a_rule_edited_between_two_processes_gives_the_new_result(fresh, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN.format(half=0.5))
    stamp = plugin.stat()
    assert processes(plugin) == ["-0.5"]
    plugin.write_text(PLUGIN.format(half=0.7))  # of the same length, and below of the same age: only the text tells
    os.utime(plugin, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    for compiled in tmp_path.rglob("mine.*.pyc"):
        compiled.unlink()
    assert processes(plugin) == ["-0.7"]
    assert len(list(fresh.iterdir())) == 2


def test_processes_that_compile_at_once_do_not_meet(fresh, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN.format(half=0.5))
    assert processes(plugin, 4) == ["-0.5"] * 4
    assert len(list(fresh.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    script = """
import os, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
from framework.compiler import fused
from framework.registry import manager
from framework.base.parameters import Parameters
from framework.training.update import Update
fused.SHARED_FROM = 1
p = Parameters({"x": (100,)}, 1, np.float32)
made = Update(manager.find("optimizer", "sgd").cls(lr=1.0), p, p.like(), kernel="fused", threads=2)
made.gradients.flat[...] = 1
made.step(1)
child = os.fork()
made.step(2)
assert (p.flat == -2).all()
if child == 0:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=PATIENCE).returncode == 0


def test_the_setting_is_checked_and_reaches_the_update():
    from framework.config.settings import Settings

    assert Settings(epochs=1).kernel == "auto"
    with pytest.raises(InputError, match="kernel"):
        Settings(epochs=1, kernel="fast")


@pytest.mark.skipif(os.name == "nt", reason="Windows asks other variables")
def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    cache.put("a", b"code")
    assert cache.get("a") is None
    assert cache.folder() is None
    llvm.load.cache_clear()
    assert adam_once().compiled is not None


def test_two_threads_may_call_one_team_at_once():
    helped, calls = Team(2), 200
    through = [[], []]

    def caller(place):
        for _ in range(calls):
            done = []
            helped.run(lambda _plan, _row, done=done: done.append(1), 0, 0, None)
            through[place].append(len(done))

    threads = [threading.Thread(target=caller, args=(place,), daemon=True) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert through == [[3] * calls] * 2


def test_an_interrupted_call_ends_when_its_helpers_are_through():
    helped, caller, go = Team(1), threading.current_thread(), threading.Event()
    finished = []

    def work(_plan, _row):
        if threading.current_thread() is caller:
            threading.Timer(0.05, go.set).start()
            raise KeyboardInterrupt
        go.wait(60)
        finished.append(True)

    with pytest.raises(KeyboardInterrupt):
        helped.run(work, 0, 0, None)
    assert finished == [True]
    helped.run(lambda *_: finished.append(False), 0, 0, None)
    assert finished == [True, False, False]


def test_a_step_keeps_all_arrays_whose_addresses_it_hands_out(monkeypatch):
    monkeypatch.setattr(fused, "SHARED_FROM", 1)
    kept = []
    monkeypatch.setattr(Team, "run", lambda self, call, plan, row, keep: kept.append(keep))
    made = update(optimizer_class("adam")(), 2, 40, np.float32, "fused", threads=2)
    stepped(made, 1)
    assert any(part is made.compiled._table for part in kept[0])


@pytest.mark.parametrize("unfit", ["read-only", "unaligned"])
def test_buffers_that_machine_code_must_not_touch_are_left_to_numpy(unfit, caplog):
    fused._log_once.cache_clear()
    made = update(optimizer_class("adam")(), 2, 40, np.float32, "numpy")
    stepped(made, 1)
    if unfit == "read-only":
        made._rule_state["m"].flags.writeable = False
    else:
        flat = made.gradients.flat
        moved = np.empty(flat.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(flat.shape)
        made.gradients.flat = moved
    with caplog.at_level(logging.WARNING, "framework"):
        held = (made.parameters, made.gradients, made._rule_state)
        assert fused.fuse(made.optimizer, *held, made._engine._table) is None
    expected = {"read-only": "m cannot be written to", "unaligned": "g does not have the layout of the parameters"}
    assert expected[unfit] in caplog.text


def test_what_is_only_read_may_be_read_only():
    made = update(optimizer_class("adam")(), 2, 40, np.float32, "numpy")
    stepped(made, 1)
    made.gradients.flat.flags.writeable = False
    assert (
        fused.fuse(made.optimizer, made.parameters, made.gradients, made._rule_state, made._engine._table) is not None
    )
