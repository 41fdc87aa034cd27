"""A plain Hydra + torch + MLflow script, as a user may write it: the contender in the sweep benchmark.

python peer_sweep.py -m optimizer=adam,sgd lr=0.001,0.01 seed=0,1
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hydra

NAMES = {
    "adam": "Adam",
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adamax": "Adamax",
    "adadelta": "Adadelta",
}
NAMES |= {"nadam": "NAdam", "radam": "RAdam"}


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config: Any) -> None:
    """Train one network on the digits and log it."""
    import mlflow
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split((x / 16).astype("float32"), y, stratify=y, random_state=0)
    x_train, x_test, y_train, y_test = map(torch.tensor, (x_train, x_test, y_train, y_test))
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = getattr(torch.optim, NAMES[config.optimizer])(model.parameters(), lr=config.lr)
    loss_of = torch.nn.CrossEntropyLoss()
    mlflow.set_tracking_uri(os.environ["BENCH_STORE"])
    with mlflow.start_run():
        mlflow.log_params({"optimizer": config.optimizer, "lr": config.lr, "seed": config.seed})
        for epoch in range(config.epochs):
            total = 0.0
            for places in torch.randperm(len(x_train)).split(32):
                optimizer.zero_grad()
                loss = loss_of(model(x_train[places]), y_train[places])
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(places)
            with torch.no_grad():
                right = (model(x_test).argmax(1) == y_test).float().mean()
            mlflow.log_metrics({"train/loss": total / len(x_train), "val/accuracy": float(right)}, step=epoch)


if __name__ == "__main__":
    from hydra.core.config_store import ConfigStore

    hydra_section = {"run": {"dir": "."}, "sweep": {"dir": str(Path.cwd() / "multirun"), "subdir": "${hydra.job.num}"}}
    plain = {"optimizer": "adam", "lr": 1e-3, "seed": 0, "epochs": 20, "hydra": hydra_section}
    ConfigStore.instance().store("config", plain)
    main()
