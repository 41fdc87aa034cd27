"""Checks of problems: a data set, a model, a loss, a budget and a target that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from framework.base.loss import Loss, as_values
from framework.checks.bits import differing
from framework.checks.gradients import TOLERANCE, gradient_error
from framework.checks.losses import AROUND, FLAT, TRIED
from framework.checks.results import FAILED, Check, CheckResult, Figure, Skip, run_checks, worst
from framework.config.check import remade
from framework.config.resolved import RunConfig
from framework.config.settings import Goal
from framework.data.batches import Batch
from framework.errors import InputError, PluginError, exits_as_errors
from framework.training.kept import ranking_figure
from framework.training.loop import evaluate, train_step, write_gradients
from framework.training.population import Population
from framework.training.record import EpochMeans

SEEDS = (0, 1)
AWAY = (1e-2, 1e-1, 1.0)
"""Distances of points from the start. At the start itself, units of a ReLU may be exactly at its kink."""
STEPS = (1e-5, 1e-6, 1e-7)
"""As `framework.checks.gradients.STEPS`; the smallest rarely crosses a kink in a large network."""
EPOCHS, BATCHES = 2, 3
"""Epochs whose batches are compared, and the number of batches of each."""


@dataclass(frozen=True)
class ProblemSubject:
    """A problem, by its checked configuration."""

    config: RunConfig

    def population(self, seeds: Sequence[int] = SEEDS) -> Population:
        """Return one run per seed at its start, in float64."""
        data = {**self.config.as_data(), "dtype": "float64"}
        return Population([remade({**data, "seed": seed}) for seed in seeds])

    @property
    def goal(self) -> Goal:
        """The problem's target and sources."""
        return self.config.section(Goal)

    @property
    def loss(self) -> type[Loss]:
        """The class of the loss."""
        loss: type[Loss] = self.config.parts["loss"].cls
        return loss


def check_problem(config: RunConfig) -> list[CheckResult]:
    """Run all checks of a problem; return one result per check.

    Args:
        config: the problem's checked configuration. Its optimizer is used for a few steps.
    """
    subject = ProblemSubject(config)
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        try:
            with exits_as_errors():
                subject.population()
        except (InputError, PluginError) as error:
            return [CheckResult("starts", FAILED, str(error))]
        return run_checks(CHECKS, subject)


def names_its_source(subject: ProblemSubject) -> Figure:
    """Check that the problem states where it and its target come from."""
    missing = [name for name in ("problem_source", "target_source") if not subject.goal.data[name]]
    return Figure(len(missing), 0, f"set {' and '.join(missing)} in the problem's file")


def budget_fits(subject: ProblemSubject) -> Figure:
    """Check that a batch is not larger than the training split, and that the budget is at least one epoch."""
    population = subject.population()
    size, samples = population.settings.batch_size, len(population.data.train)
    total, epoch = population.total, population.batches.per_epoch
    return worst(
        [
            (float(size > samples), f"batch_size={size} is more than the {samples} training samples"),
            (float(total is None), "max_seconds alone is no fair budget: set epochs or steps"),
            (float(total is not None and total < epoch), f"{total} steps are less than an epoch of {epoch} batches"),
        ],
        0,
    )


def gradients(subject: ProblemSubject) -> Figure:
    """Check the gradients of the training loss near the start and at random points against central differences."""
    population = subject.population()
    model, batch = population.model, next(population.batches.epoch(1))
    place, start = model.parameters.flat, model.parameters.flat.copy()

    def value() -> np.ndarray:
        model.begin_epoch(1)  # the same noise at each call
        return population.loss.forward(model.forward(batch.inputs, training=True), batch.targets)

    findings = []
    for distance in AWAY:
        place[...] = start + distance * np.random.default_rng(0).standard_normal(start.shape)
        model.begin_epoch(1)
        write_gradients(population, batch)
        error = gradient_error(value, place, model.gradients.flat.copy(), STEPS)
        findings.append((error, f"{distance:g} from the start the gradient has a relative error of {error:.1e}"))
    return worst(findings, TOLERANCE)


def minima(subject: ProblemSubject) -> Figure:
    """Check the loss's declared minima as parameters: its value there, no slope, and no lower loss around them.

    Raises:
        Skip: the loss declares none, or the model's output is not its parameters.
    """
    population = subject.population(SEEDS[:1])
    if not subject.loss.minima:
        raise Skip("the loss declares no minima")
    if not _is_point(population):
        raise Skip("the model is not the layer point: its best parameters are not known")
    return worst([finding for declared in subject.loss.minima for finding in _at_minimum(population, declared)], FLAT)


def _is_point(population: Population) -> bool:
    """Return whether the predictions for each sample are the parameters."""
    place = population.model.parameters.flat
    place[...] = np.random.default_rng(0).standard_normal(place.shape)
    predictions = population.model.forward(population.data.validation.inputs[None, :1])
    return predictions[0, 0].size == place[0].size and differing(predictions[0, 0].reshape(-1), place[0]) == 0


def _at_minimum(population: Population, declared: float | Sequence[float]) -> Iterator[tuple[float, str]]:
    model, loss = population.model, population.loss
    samples = population.data.validation
    quiet = Batch(samples.inputs[None, :1], np.zeros_like(samples.targets[None, :1]))
    minimum, place = type(loss).minimum, model.parameters.flat

    def value(point: np.ndarray) -> float:
        place[...] = point
        return float(write_gradients(population, quiet)[0][0])

    best = np.broadcast_to(np.asarray(declared, dtype=np.float64), place.shape)
    rng, scale = np.random.default_rng(0), max(1.0, abs(minimum))
    lowest = min(value(best + width * rng.standard_normal(best.shape)) for width in AROUND for _ in range(TRIED))
    found = value(best)
    slope = float(np.abs(model.gradients.flat).max())
    yield abs(found - minimum) / scale, f"the loss at {declared} is {found!r}, not {minimum!r}"
    yield slope / scale, f"the slope at the minimum {declared} is {slope:.1e}"
    yield max(0.0, minimum - lowest), f"near {declared} the loss is {lowest!r}, below its minimum"


def noise_is_paired(subject: ProblemSubject) -> Figure:
    """Check that start and batches depend on the seed only: not on the other runs, and not on the steps taken.

    Then the runs of all optimizers with one seed have the same start, data order and noise.
    """
    together = subject.population()
    findings = []
    for row, seed in enumerate(SEEDS):
        alone = subject.population((seed,))
        count = differing(together.model.parameters.flat[row], alone.model.parameters.flat[0])
        findings.append((count, f"seed {seed}: {count} numbers of the start differ from those of the run alone"))
    trained = _batches(together, train=True)
    for row, seed in enumerate(SEEDS):
        idle = _batches(subject.population((seed,)), train=False)
        for step, (one, other) in enumerate(zip(trained, idle, strict=True), start=1):
            count = sum(differing(a[row % len(a)], b[0]) for a, b in zip(one, other, strict=True))
            findings.append((count, f"seed {seed}, batch {step}: {count} numbers differ from an untrained run's"))
    return worst(findings, 0)


def _batches(population: Population, *, train: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return inputs and targets of the first batches of some epochs; with ``train`` a step is taken on each."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    for epoch in range(1, EPOCHS + 1):
        means = EpochMeans(population)
        population.model.begin_epoch(epoch)
        for batch, _ in zip(population.batches.epoch(epoch), range(BATCHES), strict=False):
            seen.append((batch.inputs.copy(), batch.targets.copy()))
            if train:
                train_step(population, batch, len(seen), means)
    return seen


def target_is_reachable(subject: ProblemSubject) -> Figure:
    """Check that the target is better than the untrained model's figure, and not better than the best possible one.

    Raises:
        Skip: the problem has no target.
    """
    target = subject.goal.target
    if target is None:
        raise Skip(f"there is no target: {subject.goal.target_source or 'set target and target_source'}")
    population = subject.population()
    untrained = evaluate(population, population.data.validation)
    name = ranking_figure(untrained, "")
    sign = 1 if subject.config.directions.get(name, False) else -1
    start, best = float(np.max(sign * untrained[name])), sign * _best(population, name)
    return worst(
        [
            (float(not start < sign * target), f"target={target:g}: {name} is {sign * start:.6g} before training"),
            (float(sign * target > best), f"target={target:g}: the best possible {name} is {sign * best:.6g}"),
        ],
        0,
    )


def _best(population: Population, name: str) -> float:
    """Return the best possible figure on the validation split; infinitely good for a loss with no known minimum."""
    loss, samples = population.loss, population.data.validation
    if name == "loss":
        return type(loss).minimum if loss.minima else -np.inf
    metric = population.new_metrics()[name]
    shape = (1, len(samples), *population.model.output_shape)
    perfect = as_values(samples.targets[None], np.zeros(shape))
    if loss.expects == "logits":
        perfect = 2 * perfect - 1
    metric.start(1)
    metric.update(perfect, samples.targets[None])
    return float(metric.value()[0])


CHECKS: tuple[Check, ...] = (
    names_its_source,
    budget_fits,
    gradients,
    minima,
    noise_is_paired,
    target_is_reachable,
)
"""The checks of a problem, in the order in which they are shown."""
