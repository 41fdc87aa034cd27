"""When the parts of a chain act. A chain in which a part would never act, or act too often, is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from framework.base.optimizer import Optimizer
from framework.base.stage import Stage
from framework.errors import InputError


def steps_to_rule(stages: Sequence[Stage]) -> int:
    """Return how many steps of the run make one step of the rule."""
    return math.prod(stage.every for stage in stages)


def refuse_orders(optimizer: Optimizer, stages: Sequence[Stage]) -> None:
    """Refuse chains that join several batches in a way that their parts do not allow.

    Raises:
        InputError: the optimizer looks at the loss of one batch, or a stage would move the parameters at every batch
            although the rule acts on several at once.
    """
    joining = [place for place, stage in enumerate(stages) if stage.every > 1]
    if not joining:
        return
    if optimizer.needs_closure or optimizer.needs_loss:
        joins, name = stages[joining[0]].label(), optimizer.label()
        raise InputError(f"stages: {joins} joins several batches; optimizer {name} looks at one's loss")
    for stage in stages[: joining[-1]]:
        if stage.moves_parameters:
            last = stages[joining[-1]].label()
            raise InputError(
                f"stages: {stage.label()} before {last} would move the parameters at every batch, not once a step of "
                f"the optimizer: name it after {last}"
            )


def refuse_idle(optimizer: Optimizer, stages: Sequence[Stage], total: int | None) -> None:
    """Refuse a budget that ends before every part of the chain has acted.

    Args:
        optimizer: the rule.
        stages: around it, in their order.
        total: steps in the budget; None where only time limits it, and nothing is known.

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
