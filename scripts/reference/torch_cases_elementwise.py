"""Golden cases of elementwise first-order optimizers that torch provides."""

from __future__ import annotations

from cases import TorchCase, same_as_torch

CASES = [
    same_as_torch("asgd", "ASGD", "defaults"),
    same_as_torch("asgd", "ASGD", "settings", lr=0.1, lambd=0.05, alpha=0.5),
    same_as_torch("asgd", "ASGD", "all", lr=0.05, lambd=0.01, alpha=1.0, t0=20, weight_decay=0.1),
    TorchCase("rprop-defaults", "Rprop", {}, "rprop", {}),
    TorchCase(
        "rprop-settings",
        "Rprop",
        {"lr": 0.1, "etas": [0.3, 1.5], "step_sizes": [0.05, 0.4]},
        "rprop",
        {"lr": 0.1, "eta_minus": 0.3, "eta_plus": 1.5, "step_min": 0.05, "step_max": 0.4},
    ),
    TorchCase(
        "rprop-start_out_of_bounds",
        "Rprop",
        {"lr": 0.5, "step_sizes": [1e-3, 0.2]},
        "rprop",
        {"lr": 0.5, "step_min": 1e-3, "step_max": 0.2},
    ),
    same_as_torch("nadam", "NAdam", "defaults"),
    same_as_torch("nadam", "NAdam", "settings", lr=0.02, betas=[0.8, 0.95], eps=1e-3, momentum_decay=0.1),
    same_as_torch("nadam", "NAdam", "weight_decay", lr=0.02, weight_decay=0.05),
    same_as_torch("nadam", "NAdam", "decoupled", lr=0.02, weight_decay=0.1, decoupled_weight_decay=True),
    same_as_torch("nadam", "NAdam", "no_memory", lr=0.02, betas=[0.0, 0.0]),
    same_as_torch("radam", "RAdam", "defaults"),
    same_as_torch("radam", "RAdam", "settings", lr=0.02, betas=[0.8, 0.95], eps=1e-3),
    same_as_torch("radam", "RAdam", "never_rectified", lr=0.02, betas=[0.9, 0.6]),
    same_as_torch("radam", "RAdam", "barely_rectified", lr=0.02, betas=[0.9, 0.7]),
    same_as_torch("radam", "RAdam", "weight_decay", lr=0.02, weight_decay=0.05),
    same_as_torch("radam", "RAdam", "decoupled", lr=0.02, weight_decay=0.1, decoupled_weight_decay=True),
    same_as_torch("adamw", "AdamW", "defaults"),
    same_as_torch("adamw", "AdamW", "settings", lr=0.02, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.2),
    same_as_torch("adamw", "AdamW", "amsgrad", lr=0.02, betas=[0.9, 0.9], weight_decay=0.0, amsgrad=True),
    same_as_torch("adamw", "AdamW", "all", lr=0.02, betas=[0.7, 0.9], eps=1e-5, weight_decay=0.1, amsgrad=True),
]
