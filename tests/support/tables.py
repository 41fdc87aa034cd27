"""Make the tables of sweeps from given metrics, without training."""

from __future__ import annotations

from pathlib import Path

from runs import config

from framework.runs.finished import Finished
from framework.sweeps.job import Job
from framework.sweeps.leaderboard import tables
from framework.training.kept import recorded

DIRECTIONS = {"accuracy": True, "mse": False}


def job(number, optimizer="adam", lr=0.1, seed=0, problem="p", setting=None, **dataset):
    """Return a job with the given settings; ``dataset`` has fields of the data set."""
    fields = {} if lr is None else {"lr": lr}
    chosen = config(
        optimizer={"name": optimizer, **fields}, seed=seed, problem=problem, dataset={"name": "digits", **dataset}
    )
    return Job(number, (), chosen, {}, Path("/f"), setting=setting or f"{optimizer} lr={lr:g}")


def ended(how="budget", **metrics):
    """Return a finished run with the given metrics; ``val_loss`` stands for ``val/loss``."""
    figures = recorded({key.replace("_", "/", 1): value for key, value in metrics.items()})
    return Finished("name", "/f", how, 1.0, 2.0, 3, 3, figures, {}, DIRECTIONS)


def accurate(value, **more):
    """Return a finished run with validation accuracy ``value``; the other metrics are derived from it."""
    return ended(val_loss=1 - value, val_accuracy=value, test_loss=1.1 - value, test_accuracy=value - 0.1, **more)


def swept(*pairs):
    """Return the tables of a sweep, given as pairs of a job and its finished run."""
    return tables([one for one, _ in pairs], [end for _, end in pairs])


def rates(optimizer, *means, seeds=2):
    """Return runs at learning rates 0.1, 0.01, …, with one mean per rate.

    The accuracies of a rate's seeds are 0.02 apart and centred on its mean.
    """
    return [
        (job(0, optimizer, 0.1**place, seed), accurate(mean + 0.02 * (seed - (seeds - 1) / 2)))
        for place, mean in enumerate(means, start=1)
        for seed in range(seeds)
    ]
