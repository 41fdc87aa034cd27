"""Calls in a new process: answers, errors and deaths come back, and the plugins of this process are found there."""

from __future__ import annotations

import os
import sys

import numpy as np
import planted_others
import planted_rules
import pytest

from framework.checks import check_optimizer
from framework.checks.new_process import in_new_process
from framework.checks.results import PASSED, SKIPPED, Broken, Skip
from framework.errors import InputError
from framework.registry import manager

RULE = '''
from framework import ElementwiseOptimizer, hyper

print("imported")


class Mine(ElementwiseOptimizer):
    """Plain descent, by a user."""

    lr: float = hyper(0.05, above=0)

    def rule(p, g, *, lr):
        return p - FACTOR * lr * g
'''

TORCH = ("adamw", "asgd", "nadam", "rprop", "sgd")
OPTAX = ("adam", "lbfgs", "noisy_sgd", "schedule_free_adamw")
"""Optimizers with different kinds of state: counts, histories, random keys, averages."""


def describes(cls, given, arrays):
    sys.stdout.write("not an answer\n")
    return {"twice": arrays["x"] * 2, "name": np.array(f"{cls.__name__} {given['word']} {os.getpid()} {hash('a')}")}


def refuses(cls, given, arrays):
    raise InputError("no")


def breaks(cls, given, arrays):
    raise ValueError("out of\nbounds")


def dies(cls, given, arrays):
    os._exit(9)


def status(cls):
    (found,) = [result for result in check_optimizer(cls) if result.check == "restores_in_new_process"]
    return found.status, found.reason


def test_the_answer_is_computed_in_a_process_with_another_hash_seed():
    given = {"x": np.arange(3, dtype=np.float32)}
    found = in_new_process(describes, planted_rules.Plain, {"word": "a"}, given)
    name, word, pid, seeded = str(found["name"]).split()
    assert (name, word) == ("Plain", "a")
    assert int(pid) != os.getpid()
    assert int(seeded) != hash("a")
    assert found["twice"].tolist() == [0, 2, 4]
    assert found["twice"].dtype == np.float32
    again = in_new_process(describes, planted_others.Clouds, {"word": "b"}, given)
    assert str(again["name"]).split()[2] == pid  # one process serves all


def test_errors_and_deaths_come_back_and_the_next_call_is_answered():
    with pytest.raises(InputError, match=r"^no$"):
        in_new_process(refuses, planted_rules.Plain, {}, {})
    with pytest.raises(Broken, match=r"^in a new process: ValueError: out of bounds$"):
        in_new_process(breaks, planted_rules.Plain, {}, {})
    with pytest.raises(Broken, match="exit code 9"):
        in_new_process(dies, planted_rules.Plain, {}, {})
    assert in_new_process(describes, planted_rules.Plain, {"word": ""}, {"x": np.zeros(1)})["twice"] == 0


def test_a_class_that_a_new_process_cannot_load_is_skipped():
    class Inner(planted_rules.Plain):
        """Is defined in a function."""

    found, reason = status(Inner)
    assert found == SKIPPED
    assert "defined in a notebook, a script or a function" in reason
    gone = type("Gone", (planted_rules.Plain,), {"__module__": "gone", "__doc__": "Is nowhere."})
    with pytest.raises(Skip, match="a new process cannot load the class: ModuleNotFoundError"):
        in_new_process(describes, gone, {"word": ""}, {"x": np.zeros(1)})


def test_a_plugin_file_is_loaded_there_as_it_is_here(tmp_path):
    path = tmp_path / "mine.py"
    try:
        for factor in ("1", "(1 + hash('a') / 2**66)"):
            path.write_text(RULE.replace("FACTOR", factor))
            manager.install(manager.load([path]))
            assert (status("mine")[0] == PASSED) == (factor == "1")
    finally:
        manager.install(None)


@pytest.mark.long
@pytest.mark.parametrize(("library", "names"), [("torch", TORCH), ("optax", OPTAX)], ids=["torch", "optax"])
def test_optimizers_of_other_libraries_continue_in_a_new_process(library, names):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[{library}]'")
    assert {name: status(f"{library}/{name}") for name in names} == dict.fromkeys(names, (PASSED, ""))
