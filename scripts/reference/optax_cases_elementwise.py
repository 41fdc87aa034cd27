"""Golden cases of elementwise first-order optimizers that optax provides."""

from __future__ import annotations

from typing import Any

from cases import OptaxCase, same_as_optax


def clipped(label: str, use_clipping: bool, **kwargs: Any) -> OptaxCase:
    """Return a case of ADOPT."""
    return same_as_optax("adopt", "contrib.adopt", label, use_clipping=use_clipping, **kwargs)


CASES = [
    same_as_optax("adabelief", "adabelief", "defaults", learning_rate=1e-3),
    same_as_optax("adabelief", "adabelief", "settings", learning_rate=0.02, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4),
    same_as_optax("adabelief", "adabelief", "nesterov", learning_rate=0.02, b1=0.7, b2=0.9, eps=1e-8, nesterov=True),
    same_as_optax("yogi", "yogi", "defaults", learning_rate=0.01),
    same_as_optax("yogi", "yogi", "settings", learning_rate=0.03, b1=0.8, b2=0.95, eps=1e-5),
    same_as_optax("yogi", "scale_by_yogi", "start", learning_rate=0.03, b1=0.8, b2=0.9, initial_accumulator_value=0.01),
    # optax weights the change by 1 - b2; for b2 = 1/2 this equals the weight in the paper
    same_as_optax("adan", "adan", "half", learning_rate=1e-3, b2=0.5),
    same_as_optax(
        "adan", "adan", "all", learning_rate=0.02, b1=0.9, b2=0.5, b3=0.95, eps=1e-3, eps_root=1e-4, weight_decay=0.1
    ),
    same_as_optax("ademamix", "contrib.ademamix", "defaults", learning_rate=1e-3),
    same_as_optax(
        "ademamix", "contrib.ademamix", "settings", learning_rate=0.02, b1=0.8, b2=0.95, b3=0.99, alpha=2.0, eps=1e-3
    ),
    same_as_optax(
        "ademamix", "contrib.ademamix", "decay", learning_rate=0.02, b3=0.999, eps_root=1e-4, weight_decay=0.1
    ),
    clipped("defaults", True, learning_rate=1e-3),
    clipped("settings", True, learning_rate=0.02, b1=0.8, b2=0.95, eps=1e-2),
    clipped("nesterov", True, learning_rate=0.02, b2=0.99, nesterov=True),
    clipped("unclipped", False, learning_rate=0.02, b2=0.99, eps=0.1),
    clipped("all", False, learning_rate=0.02, b1=0.7, b2=0.9, eps=0.1, nesterov=True),
    same_as_optax("lion", "lion", "defaults", learning_rate=1e-4),
    same_as_optax("lion", "lion", "settings", learning_rate=0.02, b1=0.7, b2=0.95, weight_decay=0.1),
    same_as_optax("nadamw", "nadamw", "defaults", learning_rate=1e-3),
    same_as_optax(
        "nadamw", "nadamw", "all", learning_rate=0.02, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4, weight_decay=0.1
    ),
    same_as_optax("signsgd", "sign_sgd", "defaults", learning_rate=1e-3),
    same_as_optax("signsgd", "sign_sgd", "lr", learning_rate=0.02),
    same_as_optax("signum", "signum", "defaults", learning_rate=1e-3),
    same_as_optax("signum", "signum", "settings", learning_rate=0.02, beta=0.6),
]
