"""Time a whole training step (forward, loss, backward, Adam) of four networks, in the framework and its peers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from measure import Row, Spread, in_turns, installed
from threadpoolctl import threadpool_limits

from framework.compiler.recording import Recorder
from framework.compiler.replay import Replay
from framework.config.layers import build_layers, expand_layers, with_outputs
from framework.data.batches import Batches
from framework.data.prepare import Samples
from framework.registry.manager import find
from framework.training.model import Model
from framework.training.passes import Passes
from framework.training.together import Together
from framework.training.update import Update

CLASSES = 10
SCANNED = 50
"""Number of steps per call of the JAX contender, which runs them without returning to Python."""


@dataclass(frozen=True)
class Network:
    """A network of the benchmark.

    Attributes:
        name: label in the rows.
        input_shape: shape of one sample.
        hidden: sizes of the hidden dense layers.
        batch: samples per step.
        convolutional: whether to use the small convolutional network instead of dense layers.
    """

    name: str
    input_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    batch: int
    convolutional: bool = False


SMALL = Network("64-64-10, batch 32", (64,), (64,), 32)
MIDDLE = Network("64-128-128-10, batch 64", (64,), (128, 128), 64)
LARGE = Network("784-256-256-10, batch 128", (784,), (256, 256), 128)
CONV = Network("conv8-pool-conv16-pool-dense, batch 64", (28, 28, 1), (), 64, convolutional=True)


def samples(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return one fixed batch of inputs and labels."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((network.batch, *network.input_shape)).astype(np.float32)
    return inputs, rng.integers(0, CLASSES, network.batch)


@dataclass(frozen=True)
class Ours:
    """The framework's training of R runs of a network, without evaluation.

    Attributes:
        passes: forward and backward passes.
        update: Adam.
        batches: `SCANNED` batches per epoch, the same for all runs.
        together: several steps in one call.
    """

    passes: Passes
    update: Update
    batches: Batches
    together: Together

    @classmethod
    def of(cls, network: Network, runs: int, threads: int, *, replays: bool) -> Ours:
        """Return ``runs`` runs; ``replays`` lets their steps run without returning to Python."""
        conv = [{"layer": "conv2d", "filters": [8]}, "relu", "pool2d", {"layer": "conv2d", "filters": [16]}, "relu"]
        hidden = [{"layer": "dense", "units": list(network.hidden), "activation": "relu"}] if network.hidden else []
        items = [*([*conv, "pool2d"] if network.convolutional else []), "flatten", *hidden, "dense"]
        layers = with_outputs(expand_layers(items), (CLASSES,))
        model = Model(build_layers([layers] * runs), network.input_shape, [0] * runs, np.dtype(np.float32))
        loss = find("loss", "softmax_cross_entropy").cls.stack([{}], labels_checked=True)  # as in a population
        adam = find("optimizer", "adam").cls()
        update = Update(adam, model.parameters, model.gradients, kernel="fused", threads=threads)
        inputs, labels = samples(network)
        data = Samples(np.concatenate([inputs] * SCANNED), np.concatenate([labels] * SCANNED))
        passes, batches = Passes(model, loss, replays=replays), Batches(data, [0] * runs, network.batch)
        return cls(passes, update, batches, Together(passes, update, batches))

    def steps(self) -> Callable[[], object]:
        """Return a function that takes `SCANNED` steps; unlike the peers', its batches are selected from samples."""
        order, step = self.batches.order(1), 0

        def many() -> None:
            nonlocal step
            number = 0
            while number < self.batches.per_epoch:
                count = self.together.count(number, step)
                if count:
                    self.together.take(order, number, step, count)
                else:
                    self.passes.write(self.batches.take(order, number))
                    self.update.step(step + 1)
                number, step = number + (count or 1), step + (count or 1)

        return many


def torch_step(network: Network) -> Callable[[], object]:
    """Return a function that takes one step in torch, with its fastest Adam."""
    import torch

    nn = torch.nn
    if network.convolutional:
        parts: list[Any] = [
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        parts += [nn.Flatten(), nn.Linear(16 * 5 * 5, CLASSES)]
    else:
        sizes = [int(np.prod(network.input_shape)), *network.hidden]
        parts = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        parts.append(nn.Linear(sizes[-1], CLASSES))
    model = nn.Sequential(*parts)
    adam = torch.optim.Adam(model.parameters(), fused=True)
    loss = nn.CrossEntropyLoss()
    inputs, labels = samples(network)
    x = torch.tensor(inputs if not network.convolutional else inputs.transpose(0, 3, 1, 2).copy())
    y = torch.tensor(labels)

    def step() -> None:
        adam.zero_grad()
        loss(model(x), y).backward()
        adam.step()

    return step


def jax_steps(network: Network, runs: int) -> Callable[[], object]:
    """Return a function that takes `SCANNED` steps of ``runs`` runs in JAX, compiled as one (dense networks only)."""
    import jax
    import jax.numpy as jnp
    import optax

    sizes = [int(np.prod(network.input_shape)), *network.hidden, CLASSES]
    inputs, labels = samples(network)
    x, y = jnp.asarray(inputs), jnp.asarray(labels)
    adam = optax.adam(1e-3)

    def initial(key: Any) -> Any:
        keys = jax.random.split(key, len(sizes) - 1)
        return [
            (jax.random.normal(k, (a, b)) * 0.1, jnp.zeros(b)) for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
        ]

    def loss(parameters: Any) -> Any:
        hidden = x
        for weight, bias in parameters[:-1]:
            hidden = jax.nn.relu(hidden @ weight + bias)
        logits = hidden @ parameters[-1][0] + parameters[-1][1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def one(carry: Any, _: Any) -> Any:
        parameters, state = carry
        updates, state = adam.update(jax.grad(loss)(parameters), state)
        return (optax.apply_updates(parameters, updates), state), None

    def many(carry: Any) -> Any:
        return jax.lax.scan(one, carry, None, length=SCANNED)[0]

    if runs == 1:
        parameters = initial(jax.random.key(0))
        carry, compiled = (parameters, adam.init(parameters)), jax.jit(many)
    else:
        parameters = jax.vmap(initial)(jax.random.split(jax.random.key(0), runs))
        carry, compiled = (parameters, jax.vmap(adam.init)(parameters)), jax.jit(jax.vmap(many))
    return lambda: jax.block_until_ready(compiled(carry))


def scikit_step(network: Network) -> Callable[[], object]:
    """Return a function that takes one step of scikit-learn's multi-layer perceptron."""
    from sklearn.neural_network import MLPClassifier

    inputs, labels = samples(network)
    model = MLPClassifier(network.hidden, batch_size=network.batch)
    return lambda: model.partial_fit(inputs, labels, classes=range(CLASSES))


@contextmanager
def threads_of_all(threads: int) -> Iterator[None]:
    """Limit BLAS, torch and the process to a number of threads and cores; torch keeps it after the context ends."""
    if installed("torch"):
        import torch

        torch.set_num_threads(threads)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:threads])  # JAX would use a second core otherwise
    try:
        with threadpool_limits(threads, user_api="blas"):
            yield
    finally:
        os.sched_setaffinity(0, cores)


def compare(part: str, network: Network, runs: int, targets: dict[str, float], threads: int = 1) -> Row:
    """Return one row with the seconds per step and run."""
    contenders: dict[str, Callable[[], object]] = {}
    scale = dict.fromkeys(("ours", "ours in NumPy", "products alone"), SCANNED * runs)
    with threads_of_all(threads):
        contenders["ours"] = Ours.of(network, runs, threads, replays=True).steps()
        contenders["ours in NumPy"] = Ours.of(network, runs, threads, replays=False).steps()
        if installed("torch"):
            contenders["torch"] = torch_step(network)
        if installed("optax") and not network.convolutional and threads == 1:
            contenders["jax"] = jax_steps(network, runs)
            scale["jax"] = SCANNED * runs
        if installed("sklearn") and network.hidden and runs == 1:
            contenders["scikit-learn"] = scikit_step(network)
        contenders["products alone"] = products(network, runs)
        times = {name: [each / scale.get(name, 1) for each in turns] for name, turns in in_turns(contenders).items()}
        bare, step = (Spread.of(times[name]).middle for name in ("products alone", "ours"))
    note = f"of the step, {bare / step:.0%} are its matrix products"
    name = f"{network.name}, R = {runs}" + (f", {threads} threads" if threads > 1 else "")
    return Row(part, name, times, {key: value for key, value in targets.items() if key in times}, note)


def products(network: Network, runs: int) -> Callable[[], object]:
    """Return a function that makes the matrix products of `SCANNED` steps as `Ours` does, and nothing else."""
    made: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    ours, matmul = Ours.of(network, runs, 1, replays=False), np.matmul

    def seen(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:
        made.append((left, right, out))
        return matmul(left, right, out=out)

    np.matmul = seen  # type: ignore[assignment] - for one step
    try:
        ours.passes.write(ours.batches.take(ours.batches.order(1), 0))
    finally:
        np.matmul = matmul
    recorder = Recorder()
    for left, right, out in made:
        np.matmul(recorder.watch(left), recorder.watch(right), out=recorder.watch(out))
    replay = Replay(recorder, runs)
    recorder.forget()
    return lambda: replay.run(SCANNED)


def training() -> list[Row]:
    """Return the rows of single runs."""
    return [
        compare("training", SMALL, 1, {"torch": 0.06, "jax": 0.6}),
        compare("training", MIDDLE, 1, {"jax": 0.95}),
        compare("training", LARGE, 1, {"products alone": 1 / 0.9}),
        compare("training", LARGE, 1, {"products alone": 1 / 0.9}, threads=2),
        compare("training", CONV, 1, {"torch": 0.55}),
    ]


def population() -> list[Row]:
    """Return the rows of populations; their times are per run."""
    return [
        *(compare("population", SMALL, runs, {"jax": 0.9}) for runs in (8, 32, 128)),
        compare("population", MIDDLE, 32, {"jax": 0.9}),
    ]
