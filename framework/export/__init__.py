"""Export of this project's optimizers to training scripts of other frameworks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.base.optimizer import Optimizer
    from framework.export._torch import TorchOptimizer


def torch(name: str | type[Optimizer], params: Iterable[Any], **hyper: Any) -> TorchOptimizer:
    """Return a torch optimizer that runs a rule of this project on CPU tensors, in place.

    ::

        optimizer = framework.export.torch("adan", model.parameters(), lr=1e-3, weight_decay=0.02)

    It is a `torch.optim.Optimizer` with ``step(closure)``, ``zero_grad``, ``state_dict``, fields per parameter group,
    and support for ``torch.optim.lr_scheduler`` (which sets each group's ``lr``). If the evaluated parameters are not
    the trained ones (schedule-free methods), evaluate inside ``with optimizer.evaluating():``. A model with batch norm
    then needs ``torch.optim.swa_utils.update_bn(loader, model)`` first inside that block, because its statistics belong
    to the trained parameters.

    Args:
        name: a registered optimizer such as ``"adan"``, or its class.
        params: tensors, pairs of a name and a tensor, or parameter groups, as for torch's own optimizers; dense, on
            the CPU, float32 or float64. A matrix is treated as a dense weight ``(out, in)``, a tensor of more axes as
            a kernel ``(out, in, ...)``; for elementwise rules the layout does not matter.
        **hyper: the optimizer's fields, one value each.

    Raises:
        InputError: a name or field is unknown, a value is out of range, or a tensor is not of that kind.
        ModuleNotFoundError: torch is not installed.
    """
    from framework.export._torch import TorchOptimizer

    return TorchOptimizer(params, name, hyper)
