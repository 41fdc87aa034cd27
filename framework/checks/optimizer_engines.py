"""Check that the engines of elementwise rules agree."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from framework.base.elementwise_optimizer import ElementwiseOptimizer
from framework.checks.bits import all_differing
from framework.checks.chains import DTYPES, ChainSubject
from framework.checks.results import Figure, Skip, worst
from framework.checks.settings import label


def _unchecked() -> str:
    if find_spec("llvmlite") is None:
        return "there is no compiler (llvmlite is not installed): the compiled loop was not checked"
    return "its loop could not be compiled and was not checked; the log has the reason"


def fused_as_numpy(subject: ChainSubject) -> Figure:
    """Check that the compiled loop gives the same bits as NumPy."""
    cls = subject.cls
    if not issubclass(cls, ElementwiseOptimizer) or cls.step is not ElementwiseOptimizer.step:
        raise Skip("only elementwise rules are compiled")
    if not cls.exact:
        raise Skip("its functions differ in the last bit between engines (exact = False): it runs in NumPy only")
    findings = []
    for variant in subject.variants:
        for dtype in DTYPES:
            plain = subject.population(variant, dtype=dtype).walk()
            fused = subject.population(variant, dtype=dtype, kernel="fused").walk()
            if fused.update.compiled is None:
                raise Skip(f"{label(variant)}: {_unchecked()}")
            count = all_differing(zip(plain.arrays(), fused.arrays(), strict=True))
            findings.append((count, f"{label(variant)}, {np.dtype(dtype)}: {count} numbers differ from NumPy's"))
    return worst(findings, 0)
