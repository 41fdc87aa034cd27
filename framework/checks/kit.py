"""The checks of each plugin kind, and the functions that run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits

from framework.base.fields import Configurable
from framework.checks import (
    chain_arrays,
    chain_promises,
    chain_runs,
    datasets,
    fields,
    layer_modes,
    layers,
    losses,
    metrics,
    optimizer_engines,
    optimizer_problems,
    optimizer_rules,
    replays,
    schedules,
)
from framework.checks.chains import chain_subject
from framework.checks.results import FAILED, Check, CheckResult, Skip, run_checks, skipped
from framework.errors import InputError
from framework.registry import manager
from framework.specs import SPECS

FIELDS: tuple[Check, ...] = (
    fields.has_summary,
    fields.defaults_in_range,
    fields.bounds_enforced,
    fields.ranges_fit_priors,
)
RUNS: tuple[Check, ...] = (
    chain_runs.together_as_alone,
    chain_runs.order_of_runs,
    chain_runs.nan_stays_in_its_run,
    chain_runs.repeats,
    chain_runs.restores,
    chain_runs.restores_in_new_process,
    chain_arrays.keeps_dtype,
    chain_promises.acts_when_it_says,
    chain_promises.odd_tensors,
)


@dataclass(frozen=True)
class Kit:
    """The checks of one kind of plugin.

    Attributes:
        subject: returns the object that ``checks`` take, for a class; it may raise `Skip` with the reason.
        checks: the checks that need an object with settings.
        of_class: the checks that need only the class.
    """

    subject: Callable[[Any], Any]
    checks: tuple[Check, ...] = ()
    of_class: tuple[Check, ...] = FIELDS


KITS: dict[str, Kit] = {
    "optimizer": Kit(
        chain_subject,
        (
            *RUNS,
            optimizer_problems.quadratic_minimum,
            optimizer_problems.noisy_minimum,
            optimizer_problems.rosenbrock_minimum,
            optimizer_rules.splitting_tensors,
            optimizer_rules.zero_gradient,
            optimizer_rules.schedule_has_effect,
            optimizer_rules.fields_have_effect,
            optimizer_rules.follows_reference,
            optimizer_engines.fused_as_numpy,
            chain_arrays.gradient_unaltered,
            chain_arrays.values_unaltered,
            chain_arrays.no_growth,
        ),
        (*FIELDS, optimizer_rules.can_be_tuned),
    ),
    "stage": Kit(
        chain_subject,
        (
            *RUNS,
            chain_promises.says_that_it_moves,
            chain_arrays.only_before_alters_gradient,
            chain_arrays.no_growth,
            replays.stage_replays_as_numpy,
        ),
    ),
    "layer": Kit(
        layers.layer_subject,
        (
            layers.gradients,
            layers.together_as_alone,
            layers.nan_stays_in_its_run,
            layers.batch_of_one,
            layers.smaller_last_batch,
            layer_modes.evaluation_is_fixed,
            layer_modes.recomputes_buffers,
            layer_modes.samples_apart_in_evaluation,
            layer_modes.repeats,
            layer_modes.keeps_dtype,
            layer_modes.inputs_unaltered,
            layer_modes.gradients_without_dx,
            layer_modes.shared_input,
            replays.layer_replays_as_numpy,
        ),
    ),
    "loss": Kit(
        losses.loss_subject,
        (
            losses.gradients,
            losses.minima,
            losses.mean_over_batch,
            losses.together_as_alone,
            losses.nan_stays_in_its_run,
            losses.smaller_last_batch,
            losses.keeps_dtype,
            losses.inputs_unaltered,
            losses.repeats,
            replays.loss_replays_as_numpy,
        ),
    ),
    "schedule": Kit(
        schedules.schedule_subject,
        (
            schedules.finite_and_not_negative,
            schedules.shape_and_dtype,
            schedules.together_as_alone,
            schedules.steps_apart,
            schedules.repeats,
            schedules.restores,
            schedules.restores_in_new_process,
            schedules.nan_stays_in_its_run,
        ),
    ),
    "dataset": Kit(
        datasets.dataset_subject,
        (
            datasets.repeats,
            datasets.repeats_in_new_process,
            datasets.splits_apart,
            datasets.stratified,
            datasets.finite_and_typed,
            datasets.split_seed_has_effect,
        ),
    ),
    "metric": Kit(
        metrics.metric_subject,
        (
            metrics.named_apart,
            metrics.batches_do_not_matter,
            metrics.together_as_alone,
            metrics.nan_stays_in_its_run,
            metrics.starts_afresh,
            metrics.shape_and_dtype,
            metrics.perfect_is_best,
            metrics.worst_is_worst,
            metrics.inputs_unaltered,
        ),
        (*FIELDS, metrics.names_its_tasks),
    ),
}
"""The checks by kind of plugin; those of the fields alone for a kind that is not listed."""

Named = str | type[Configurable]


class _Bare:
    """A subject with the class only, for the checks of its fields."""

    def __init__(self, cls: type[Configurable]) -> None:
        self.cls = cls


def check(kind: str, named: Named) -> list[CheckResult]:
    """Run all checks of a kind; return one result per check.

    Args:
        kind: a kind of plugin, such as ``"optimizer"``.
        named: a registered name, or a class.

    Raises:
        InputError: there is no such kind or name, or the class is of another kind.
    """
    manager.current().names(kind)
    cls = manager.find(kind, named).cls if isinstance(named, str) else named
    if not (isinstance(cls, type) and issubclass(cls, SPECS[kind].base)):
        raise InputError(f"check {kind}: {named!r} is not a subclass of {SPECS[kind].base.__name__}")
    with threadpool_limits(1, user_api="blas"):  # the default of runs; more threads only slow small products down
        return _checked(kind, cls)


def _checked(kind: str, cls: type[Configurable]) -> list[CheckResult]:
    kit = KITS.get(kind, Kit(_Bare))
    results = run_checks(kit.of_class, _Bare(cls))
    try:
        subject = kit.subject(cls)
    except Skip as reason:
        return [*results, *skipped(kit.checks, str(reason))]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's class may raise anything when it is instantiated
        broken = f"it cannot be created: {type(error).__name__}: {error}".replace("\n", " ")
        return [*results, CheckResult("starts", FAILED, broken)]
    return [*results, *run_checks(kit.checks, subject)]


def assert_conforms(kind: str, named: Named, *, skip: Sequence[str] = ()) -> None:
    """Raise `AssertionError` if a check fails; the message lists every failed check.

    Args:
        kind: as in `check`.
        named: as in `check`.
        skip: names of checks whose failure is ignored; a test should explain why.

    Raises:
        AssertionError: a check failed.
        InputError: as in `check`.
    """
    failed = [result for result in check(kind, named) if result.status == FAILED and result.check not in skip]
    lines = "\n".join(f"  {result.check}: {result.reason}" for result in failed)
    if failed:
        raise AssertionError(f"{kind} {named} fails {len(failed)} checks:\n{lines}")


def check_optimizer(named: Named) -> list[CheckResult]:
    """Check an optimizer; see `check`."""
    return check("optimizer", named)


def check_layer(named: Named) -> list[CheckResult]:
    """Check a layer; see `check`."""
    return check("layer", named)


def check_loss(named: Named) -> list[CheckResult]:
    """Check a loss; see `check`."""
    return check("loss", named)


def check_dataset(named: Named) -> list[CheckResult]:
    """Check a data set; see `check`."""
    return check("dataset", named)


def check_schedule(named: Named) -> list[CheckResult]:
    """Check a schedule; see `check`."""
    return check("schedule", named)


def check_metric(named: Named) -> list[CheckResult]:
    """Check a metric; see `check`."""
    return check("metric", named)


def check_stage(named: Named) -> list[CheckResult]:
    """Check a stage; see `check`."""
    return check("stage", named)
