"""What holds for all tests: one thread a process for BLAS and torch, ids that are short words, no plugins left over.

Pytest starts a process a core, and runs train on one thread unless told otherwise. More threads would wait for one
another, busily: the matrix tests took twice the time.
"""

import gc
import os

import pytest
from ids import LONGEST_ID, misfits, parameter_id

OURS = ("FRAMEWORK_", "HYDRA_", "MLFLOW_")
OTHERS = {"COLUMNS", "FORCE_COLOR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "LINES", "MPLBACKEND", "NO_COLOR"}

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # read when NumPy and torch are first imported
    os.environ.setdefault(name, "1")
for name in list(os.environ):  # a developer's store, plugins and terminal are no test's business
    if (name.startswith(OURS) and name != "FRAMEWORK_DATA") or name in OTHERS:
        del os.environ[name]


@pytest.fixture(autouse=True)
def same_environment():
    """Restore the environment's plugin settings: commands run in this process set them for their workers."""
    before = {name: value for name, value in os.environ.items() if name.startswith("FRAMEWORK_")}
    yield
    for name in [name for name in os.environ if name.startswith("FRAMEWORK_")]:
        del os.environ[name]
    os.environ.update(before)


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # what stays until the end (modules, 5,000 tests) need not be searched again at each collection


def pytest_make_parametrize_id(val, argname):
    return parameter_id(val, argname)


def pytest_collection_modifyitems(items):
    found = misfits(item.nodeid for item in items)
    if found:
        rule = f"a test id is made of letters, digits and _.,/=+- and is at most {LONGEST_ID} characters long"
        raise pytest.UsageError(f"{rule}; give ids=... or pytest.param(..., id=...): {found[:3]!a}")
