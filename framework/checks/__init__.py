"""The conformance kit: checks that measure whether a plugin fulfils the contract of its kind.

On the command line: ``python -m framework check optimizer lion``, ``check FILE.py``, ``check --all``. In a test::

    from framework.checks import assert_conforms

    def test_lion():
        assert_conforms("optimizer", "lion")

`check_optimizer` and the functions for other kinds take a registered name or a class and return one `CheckResult` per
check.
"""

from framework.checks.kit import (
    assert_conforms,
    check,
    check_dataset,
    check_layer,
    check_loss,
    check_metric,
    check_optimizer,
    check_schedule,
    check_stage,
)
from framework.checks.results import CheckResult

__all__ = [
    "CheckResult",
    "assert_conforms",
    "check",
    "check_dataset",
    "check_layer",
    "check_loss",
    "check_metric",
    "check_optimizer",
    "check_schedule",
    "check_stage",
]
