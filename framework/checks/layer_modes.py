"""Checks of layers in training and evaluation mode, and of dtypes and unaltered arrays."""

from __future__ import annotations

import numpy as np

from framework.checks.bits import all_differing, differing
from framework.checks.layers import DTYPES, LayerSubject
from framework.checks.results import Figure, Skip, worst

ROUNDING = 1e-10


def evaluation_is_fixed(subject: LayerSubject) -> Figure:
    """Check that evaluation gives the same output for the same input and does not change the buffers."""
    findings = []
    for case in subject.cases:
        bench = case.bench(subject.runs())
        x, carried = bench.inputs(), bench.model.buffers.flat.copy()
        first = bench.forward(x, training=False)
        again = bench.layer.forward(x, training=False)
        findings.append((differing(first, again), f"{case}: a second evaluation gives another output"))
        moved = differing(carried, bench.model.buffers.flat)
        findings.append((moved, f"{case}: evaluation changes {moved} numbers of the buffers"))
    return worst(findings, 0)


def recomputes_buffers(subject: LayerSubject) -> Figure:
    """Check that recomputing the buffers gives the output of training mode and does not depend on their old values."""
    findings = []
    for case in subject.cases:
        first, second, plain = (case.bench(subject.runs()) for _ in range(3))
        x = first.inputs()
        second.model.buffers.flat[...] = 7.0
        for bench in (first, second):
            bench.model.recompute_buffers([x, x[:, 1:]], 1)
        moved = differing(first.model.buffers.flat, second.model.buffers.flat)
        findings.append((moved, f"{case}: {moved} numbers of the recomputed buffers depend on their old values"))
        plain.model.begin_epoch(0)
        first.model.begin_epoch(0)
        trained, recomputed = plain.layer.forward(x, training=True), first.layer.recompute_buffers(x, batch=1)
        findings.append((differing(trained, recomputed), f"{case}: the output differs from that of training"))
    return worst(findings, 0)


def samples_apart_in_evaluation(subject: LayerSubject) -> Figure:
    """Check that in evaluation a sample's output does not depend on the other samples of its batch."""
    findings = []
    for case in subject.cases:
        bench = case.bench(subject.runs())
        x = bench.inputs()
        whole, part = bench.forward(x, training=False), bench.forward(x[:, 1:3].copy(), training=False)
        away = float(np.abs(whole[:, 1:3] - part).max() / (1 + np.abs(part).max()))
        findings.append((away, f"{case}: a sample's output changes by {away:.1e} with the other samples of its batch"))
    return worst(findings, ROUNDING)


def repeats(subject: LayerSubject) -> Figure:
    """Check that two new objects with the same settings and seeds give the same bits."""
    findings = []
    for case in subject.cases:
        first, second = (
            bench.all_of(bench.inputs(), bench.slopes(), training=True)
            for bench in (case.bench(subject.runs()) for _ in range(2))
        )
        count = all_differing(zip(first.values(), second.values(), strict=True))
        findings.append(
            (count, f"{case}: {count} numbers differ the second time; use no random numbers but self.noise")
        )
    return worst(findings, 0)


def keeps_dtype(subject: LayerSubject) -> Figure:
    """Check that output, gradients and buffers have the input's dtype."""
    findings = []
    for case in subject.cases:
        for dtype in DTYPES:
            for training in (True, False):
                bench = case.bench(subject.runs(), dtype)
                arrays = bench.all_of(bench.inputs(), bench.slopes(), training=training)
                for name, array in arrays.items():
                    says = f"{case}: {name} is {array.dtype} for {np.dtype(dtype)} inputs"
                    findings.append((float(array.dtype != dtype), says))
    return worst(findings, 0)


def inputs_unaltered(subject: LayerSubject) -> Figure:
    """Check that neither the input nor the output's gradient is changed."""
    findings = []
    for case in subject.cases:
        bench = case.bench(subject.runs())
        x, dy = bench.inputs(), bench.slopes()
        bench.all_of(x, dy, training=True)
        findings.append((differing(x, bench.inputs()), f"{case}: the input was altered"))
        findings.append((differing(dy, bench.slopes()), f"{case}: the output's gradient was altered"))
    return worst(findings, 0)


def gradients_without_dx(subject: LayerSubject) -> Figure:
    """Check that the gradients of the trained tensors are the same without ``need_dx``."""
    findings = []
    for case in subject.cases:
        bench = case.bench(subject.runs())
        x, dy = bench.inputs(), bench.slopes()
        asked = bench.all_of(x, dy, training=True)
        bench.forward(x, training=True)
        bench.model.gradients.flat.fill(np.nan)
        bench.layer.backward(dy, need_dx=False)
        for name, view in bench.layer.gradient.items():
            findings.append(
                (differing(view, asked[f"the gradient of {name}"]), f"{case}: {name} differs without need_dx")
            )
    if not findings:
        raise Skip("it has no trained tensors")
    return worst(findings, 0)


def shared_input(subject: LayerSubject) -> Figure:
    """Check that an input shared by all runs (a runs axis of 1) gives the same bits as one copy per run."""
    subject.needs_company()
    findings = []
    kinds = [(case, np.float64) for case in subject.cases] + [(case, np.float32) for case in subject.wide]
    for case, dtype in kinds:
        apart, shared = case.bench(dtype=dtype), case.bench(dtype=dtype)
        x, dy = apart.inputs()[:1], apart.slopes()
        copies = apart.all_of(np.repeat(x, 3, axis=0), dy, training=True)
        one = shared.all_of(x, dy, training=True)
        for name, array in copies.items():
            findings.append((differing(array, np.broadcast_to(one[name], array.shape)), f"{case}: {name} differs"))
    return worst(findings, 0)
