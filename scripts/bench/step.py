"""Time the optimizer step against torch, optax and the memory bandwidth: a loop that only moves the same bytes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from measure import Row, Spread, in_turns, installed

from framework.base.parameters import Parameters
from framework.compiler.fused import FusedStep, fusable
from framework.compiler.ir import Formula
from framework.registry.manager import current, find
from framework.training.update import Update

TENSORS = 6
SMALL = 6_000
SIZES = (1_000, SMALL, 60_000, 600_000, 6_000_000, 24_000_000)
EVERY_SIZE = 1_000_000
THREADS = (1, 2)
Step = Callable[[], object]


def buffers(n: int) -> Parameters:
    """Return about ``n`` random parameters of one run, in `TENSORS` tensors of ``n // TENSORS`` each."""
    made = Parameters({f"w{place}": (n // TENSORS,) for place in range(TENSORS)}, 1, np.float32)
    made.flat[...] = np.random.default_rng(0).standard_normal(made.flat.shape) * 0.1
    return made


def ours(name: str, n: int, kernel: str, threads: int) -> tuple[Step, Update]:
    """Return a function that takes one step as in training, including its coefficients, and the update that it uses."""
    parameters = buffers(n)
    update = Update(find("optimizer", name).cls(), parameters, parameters.like(), kernel=kernel, threads=threads)
    update.gradients.flat[...] = buffers(n).flat * 0.1
    t = 0

    def step() -> None:
        nonlocal t
        t += 1
        update.step(t)

    return step, update


SLOW = ("fdiv", "sqrt")
"""Operations that take a processor several times as long as additions and products."""


def streaming(update: Update, threads: int, *, slow: bool = False) -> Step:
    """Return a loop that reads and writes the arrays of the fused step of ``update``, but computes almost nothing.

    With ``slow``, it divides and takes square roots as often as the step does.
    """
    fused = update.compiled
    assert fused is not None  # noqa: S101 - the callers request the fused engine
    formula, arrays = fused.formula, fused.arrays
    stream = Formula(formula.dtype, list(formula.elements))
    symbols = {name: stream.make("element", place) for place, name in enumerate(stream.elements)}
    used = {at for node in formula.nodes for at in node.args if node.op not in ("element", "column", "number", "truth")}
    used |= set(formula.stores.values())
    read = [name for place, name in enumerate(stream.elements) if place in used]
    inputs = [name for name in read if name not in formula.stores]
    extra = symbols[inputs[0]] if inputs else stream.number(1.0)
    for place, op in enumerate(node.op for node in formula.nodes if slow and node.op in SLOW):
        number = symbols[read[place % len(read)]] + float(place + 1)
        extra = extra + stream.make(op, *([number.at] if op == "sqrt" else [number.at, extra.at]))
    for name in formula.stores:
        stream.stores[name] = (symbols[name] + extra if name in read else extra).at
    loop = FusedStep(stream, [np.array(array) for array in arrays], threads)
    loop.fill({})
    return lambda: loop.step(0)


def torch_adam(n: int, threads: int, **kind: bool) -> Step:
    """Return torch's Adam step on the same tensors; ``kind`` has arguments such as ``fused=True``."""
    import torch

    torch.set_num_threads(threads)
    flat = buffers(n)
    parameters = [torch.nn.Parameter(torch.from_numpy(view[0].copy())) for view in flat.views.values()]
    for parameter in parameters:
        parameter.grad = parameter.detach() * 0.1
    return torch.optim.Adam(parameters, lr=1e-3, **kind).step


def optax_adam(n: int) -> Step:
    """Return optax's Adam step on the same tensors, jitted, with donated buffers; XLA chooses the number of threads."""
    import jax
    import optax

    rule = optax.adam(1e-3)
    parameters = {name: jax.numpy.array(view[0]) for name, view in buffers(n).views.items()}
    gradients = {name: 0.1 * value for name, value in parameters.items()}
    held = (parameters, rule.init(parameters))

    def one(parameters: Any, state: Any, gradients: Any) -> Any:
        moves, state = rule.update(gradients, state, parameters)
        return optax.apply_updates(parameters, moves), state

    jitted = jax.jit(one, donate_argnums=(0, 1))

    def step() -> None:
        nonlocal held
        held = jax.block_until_ready(jitted(*held, gradients))

    return step


def adam(n: int, threads: int) -> Row:
    """Return the row of Adam's step for ``n`` parameters, coefficients included, with peers on as many threads."""
    fused, update = ours("adam", n, "fused", threads)
    fused()
    steps = {"ours": fused, "same bytes": streaming(update, threads), "ours, numpy": ours("adam", n, "numpy", 1)[0]}
    if installed("torch"):
        steps |= {f"torch {kind}": torch_adam(n, threads, **{kind: True}) for kind in ("fused", "foreach")}
    if installed("optax") and threads == 1:
        steps["optax jitted"] = optax_adam(n)
    times = in_turns(steps, seconds=0.04)
    gc.collect()
    moved = 7 * update.parameters.flat.nbytes  # p, g, m, v read; p, m, v written
    note = f"{moved / Spread.of(times['ours']).middle / 1e9:.0f} GB/s"
    return Row("step", f"adam, {n:,} parameters, {threads} threads", times, _targets(n), note)


def _targets(n: int) -> dict[str, float]:
    if n == SMALL:
        return {"torch fused": 0.1, "optax jitted": 0.5}
    return {"torch fused": 1.0} if n >= 600_000 else {}


def every(threads: int) -> Iterator[Row]:
    """Yield a row per elementwise optimizer: its step at 1e6 parameters, and its limits.

    One loop moves the same bytes; the other one also divides and takes square roots as often, which binds many rules on
    one thread.
    """
    for name in current().names("optimizer"):
        if not fusable(find("optimizer", name).cls()):
            continue
        fused, update = ours(name, EVERY_SIZE, "fused", threads)
        fused()
        if update.compiled is not None:
            limits = {"same bytes": False, "same bytes and slow": True}
            loops = {limit: streaming(update, threads, slow=slow) for limit, slow in limits.items()}
            times = in_turns({"ours": fused, **loops}, seconds=0.02)
            label = f"{name}, {EVERY_SIZE:,} parameters, {threads} threads"
            yield Row("step", label, times, {"same bytes and slow": 1.5})


def rows() -> Iterator[Row]:
    """Yield the rows of Adam by threads and size, then those of every elementwise optimizer by threads."""
    for threads in THREADS:
        for n in SIZES:
            yield adam(n, threads)
    for threads in THREADS:
        yield from every(threads)
