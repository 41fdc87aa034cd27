"""The way out: rules that won here, for training scripts that live elsewhere."""

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

    It is a `torch.optim.Optimizer`: ``step(closure)``, ``zero_grad``, ``state_dict``, parameter groups with fields of
    their own, ``torch.optim.lr_scheduler`` (which sets each group's ``lr``). Where what is evaluated is not what is
    trained (schedule-free methods), evaluate inside ``with optimizer.evaluating():``; a model with batch norm needs
    ``torch.optim.swa_utils.update_bn(loader, model)`` there first, for its statistics are those of training.

    Args:
        name: a registered optimizer such as ``"adan"``, or its class.
        params: tensors, pairs of a name and a tensor, or parameter groups, as for torch's own optimizers; dense, on
            the CPU, float32 or float64. A matrix is taken for a dense weight ``(out, in)``, a tensor of more axes for
            a kernel ``(out, in, ...)``; rules that work number by number do not ask.
        **hyper: the optimizer's fields, one value each.

    Raises:
        InputError: an unknown name or field, a value out of range, or a tensor that is not of that kind.
        ModuleNotFoundError: torch is not installed.
    """
    from framework.export._torch import TorchOptimizer

    return TorchOptimizer(params, name, hyper)
