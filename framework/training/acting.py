"""The steps at which the parts of a chain act; refuses chains in which a part would never act, or act too often."""

from __future__ import annotations

import math
from collections.abc import Sequence

from framework.base.optimizer import Optimizer
from framework.base.stage import Stage
from framework.errors import InputError


def steps_to_rule(stages: Sequence[Stage]) -> int:
    """Return the number of the run's steps per step of the rule: the product of the stages' ``every``."""
    return math.prod(stage.every for stage in stages)


def refuse_orders(optimizer: Optimizer, stages: Sequence[Stage]) -> None:
    """Raise `InputError` if the chain joins several batches and one of its parts does not allow that.

    Args:
        optimizer: the rule.
        stages: the stages around it, in their order.

    Raises:
        InputError: the optimizer reads the loss of a single batch, or a stage would move the parameters at every batch
            although the rule acts once per several batches.
    """
    joining = [index for index, stage in enumerate(stages) if stage.every > 1]
    if not joining:
        return
    if optimizer.needs_closure or optimizer.needs_loss:
        joins, name = stages[joining[0]].label(), optimizer.label()
        raise InputError(f"stages: {joins} joins several batches, but optimizer {name} uses the loss of a single batch")
    for stage in stages[: joining[-1]]:
        if stage.moves_parameters:
            last = stages[joining[-1]].label()
            raise InputError(
                f"stages: {stage.label()} before {last} would change the parameters at every batch, not once per "
                f"optimizer step: list it after {last}"
            )


def refuse_idle(optimizer: Optimizer, stages: Sequence[Stage], total: int | None) -> None:
    """Raise `InputError` if the budget ends before every part of the chain has acted.

    Args:
        optimizer: the rule.
        stages: the stages around it, in their order.
        total: steps in the budget, or None if only time limits it; then nothing is checked.

    Raises:
        InputError: a stage, or the rule, would never act.
    """
    if total is None:
        return
    apart = steps_to_rule(stages)
    joining = [stage for stage in stages if stage.every > 1]
    if apart > total:
        _refuse("stages: " + " and ".join(stage.label() for stage in joining), apart, total, joining)
    if apart * optimizer.first_act() > total:
        _refuse(f"optimizer {optimizer.label()}", apart * optimizer.first_act(), total, joining)
    for stage in stages:
        if apart * stage.first_act() > total:
            _refuse(f"stages: {stage.label()}", apart * stage.first_act(), total, [stage, *joining])


def _refuse(who: str, first: int, total: int, blamed: Sequence[Stage]) -> None:
    lower = dict.fromkeys(
        f"stages.{stage.label()}.{name}={getattr(stage, name)}"
        for stage in blamed
        for name, field in stage.fields.items()
        if field.kind == "integer"
    )
    ways = [f"lower {' or '.join(lower)}"] if lower else []
    raise InputError(
        f"{who}: the first effect is at step {first} and the budget ends at step {total}: "
        f"{', or '.join([*ways, 'raise the budget (epochs or steps)'])}"
    )
