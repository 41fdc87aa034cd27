"""Golden cases of learning-rate-free and schedule-free optimizers that optax provides."""

from __future__ import annotations

from typing import Any

from cases import OptaxCase, same_as_optax


def dog(label: str, kind: str, value: float, **kwargs: Any) -> OptaxCase:
    """Return a case of DoG; optax takes the kind and the value of its first step as one pair."""
    given = {"learning_rate": 1.0, **kwargs}
    fields = same_as_optax("dog", "contrib.dog", label, **given).fields
    fields |= {"init_step": kind, "init_step_value": value}
    return OptaxCase(f"dog-{label}", "contrib.dog", {**given, "init_step": (kind, value)}, "dog", fields)


def betas(optimizer: str, label: str, **kwargs: Any) -> OptaxCase:
    """Return a case of an optimizer for which optax takes both betas as one pair."""
    fields = {name: value for name, value in kwargs.items() if name not in ("learning_rate", "betas")}
    fields |= {"lr": kwargs["learning_rate"]}
    if "betas" in kwargs:
        fields["beta1"], fields["beta2"] = kwargs["betas"]
    path = {"prodigy": "contrib.prodigy", "dadapt_adam": "contrib.dadapt_adamw"}[optimizer]
    return OptaxCase(f"{optimizer}-{label}", path, kwargs, optimizer, fields)


def mechanized(label: str, base: str, path: str, lr: float, **kwargs: Any) -> OptaxCase:
    """Return a case of Mechanic around a base optimizer with default settings except ``lr``."""
    inside = {"path": path, "kwargs": {"learning_rate": lr}}
    fields = {"base": base, "lr": lr, **kwargs}
    return OptaxCase(
        f"mechanize-{label}", "contrib.mechanize", {"base_optimizer": inside, **kwargs}, "mechanize", fields
    )


def free_sgd(label: str, **kwargs: Any) -> OptaxCase:
    """Return a case of schedule-free SGD; optax's ``b1`` is ``momentum`` here."""
    case = same_as_optax("schedule_free_sgd", "contrib.schedule_free_sgd", label, **kwargs)
    fields = {"momentum" if name == "beta1" else name: value for name, value in case.fields.items()}
    return OptaxCase(case.name, case.optax, case.kwargs, case.optimizer, fields)


CASES = [
    betas("prodigy", "defaults", learning_rate=1.0),
    betas("prodigy", "settings", learning_rate=0.5, betas=(0.8, 0.95), eps=1e-3, estim_lr0=1e-3, estim_lr_coef=0.5),
    betas("prodigy", "beta3", learning_rate=1.0, betas=(0.9, 0.99), beta3=0.9, estim_lr0=1e-2),
    betas("prodigy", "all", learning_rate=2.0, estim_lr0=1e-4, weight_decay=0.1, safeguard_warmup=True),
    betas("dadapt_adam", "defaults", learning_rate=1.0),
    betas("dadapt_adam", "settings", learning_rate=0.5, betas=(0.8, 0.95), eps=1e-3, estim_lr0=1e-3),
    betas("dadapt_adam", "all", learning_rate=2.0, betas=(0.7, 0.9), estim_lr0=1e-2, weight_decay=0.1),
    dog("defaults", "heuristic", 1e-6),
    dog("distance", "distance", 1e-2, learning_rate=0.5),
    dog("learning_rate", "learning_rate", 1e-3, eps=1e-3),
    dog("all", "heuristic", 1e-3, learning_rate=0.5, eps=1e-2, weight_decay=0.1),
    same_as_optax("dowg", "contrib.dowg", "defaults", learning_rate=1.0),
    same_as_optax("dowg", "contrib.dowg", "settings", learning_rate=0.5, eps=1e-2),
    same_as_optax(
        "dowg", "contrib.dowg", "all", learning_rate=0.5, init_estim_sq_dist=1e-3, eps=1e-3, weight_decay=0.1
    ),
    same_as_optax("cocob", "contrib.cocob", "defaults"),
    same_as_optax("cocob", "contrib.cocob", "settings", alpha=10.0, eps=1e-2),
    same_as_optax("cocob", "contrib.cocob", "all", alpha=30.0, eps=1e-4, weight_decay=0.1),
    mechanized("defaults", "adam", "adam", 1.0),
    mechanized("sgd", "sgd", "sgd", 0.5, weight_decay=0.1, eps=1e-6, s_init=1e-3, num_betas=3),
    mechanized("lion", "lion", "lion", 1.0, s_init=1e-2, weight_decay=0.0),
    free_sgd("defaults", learning_rate=1.0),
    free_sgd("settings", learning_rate=0.1, b1=0.8, weight_decay=0.1),
    same_as_optax("schedule_free_adamw", "contrib.schedule_free_adamw", "defaults", learning_rate=2.5e-3),
    same_as_optax(
        "schedule_free_adamw",
        "contrib.schedule_free_adamw",
        "settings",
        learning_rate=0.05,
        b1=0.8,
        b2=0.95,
        eps=1e-3,
        weight_decay=0.1,
    ),
]
