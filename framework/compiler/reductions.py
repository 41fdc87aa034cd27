"""LLVM code of reductions of short rows in NumPy's order.

NumPy calls an inner loop for each row. For a row of ten numbers, as in a loss over ten classes, the call takes longer
than the arithmetic; the loops here reduce all rows in one call. They are used for lengths of rows for which
`in_numpys_order` finds that NumPy has the same order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from framework.base.numerics import same_bits
from framework.compiler.ir import UnfusableError, tie
from framework.compiler.kernels import FLOATS, OPERATIONS, ROW_STEPS, condition

LONGEST = 128
"""Length of the longest row that NumPy adds up in eight partial sums; it halves longer rows first."""

PARTS = 8
"""Number of NumPy's partial sums; shorter rows are added up one by one."""

TRIALS = 1000
"""Number of rows by which NumPy's order is compared."""

_LOOP = """
define void @"{name}"(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{
entry:
  %n = load i64, ptr %dims
  %rows.at = getelementptr i64, ptr %dims, i64 1
  %rows = load i64, ptr %rows.at
  %total.from = load ptr, ptr %args
  %x.at = getelementptr ptr, ptr %args, i64 1
  %x.from = load ptr, ptr %x.at
  %by_total.at = getelementptr i64, ptr %steps, i64 {by_total}
  %by_total = load i64, ptr %by_total.at
  %by_x.at = getelementptr i64, ptr %steps, i64 {by_x}
  %by_x = load i64, ptr %by_x.at
  %whole = and i64 %n, -{parts}
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %i.next, %end ]
  %total.at = phi ptr [ %total.from, %entry ], [ %total.next, %end ]
  %x = phi ptr [ %x.from, %entry ], [ %x.next, %end ]
  %total = load {kind}, ptr %total.at
  %total.odd = fcmp uno {kind} %total, %total
{start}
one_by_one:
  %v0 = phi {kind} {values}, [ %made, %one ]
  %unknown = phi i1 {unknown}, [ %unknown.next, %one ]
  %j = phi i64 {places}, [ %j.next, %one ]
  %more = icmp ult i64 %j, %n
  br i1 %more, label %one, label %end
one:
  %a1 = getelementptr {kind}, ptr %x, i64 %j
  %v1 = load {kind}, ptr %a1
{operation}
  %odd = fcmp uno {kind} %v1, %v1
  %unknown.next = or i1 %unknown, %odd
  %j.next = add nuw i64 %j, 1
  br label %one_by_one
end:
  %sum.all = fadd {kind} %total, %v0
  %extreme = select i1 %unknown, {kind} 0x7FF8000000000000, {kind} %v0
  store {kind} {result}, ptr %total.at
  %total.next = getelementptr i8, ptr %total.at, i64 %by_total
  %x.next = getelementptr i8, ptr %x, i64 %by_x
  %i.next = add nuw i64 %i, 1
  %some = icmp ult i64 %i.next, %rows
  br i1 %some, label %row, label %done
done:
  ret void
}}
"""

_PARTIAL_SUMS = """\
  %long = icmp uge i64 %n, {parts}
  br i1 %long, label %long_row, label %short_row
short_row:
  %only = load {kind}, ptr %x
  br label %one_by_one
long_row:
  %first = load <{parts} x {kind}>, ptr %x, align 4
  br label %parts
parts:
  %sums = phi <{parts} x {kind}> [ %first, %long_row ], [ %sums.next, %part ]
  %k = phi i64 [ {parts}, %long_row ], [ %k.next, %part ]
  %some.parts = icmp ult i64 %k, %whole
  br i1 %some.parts, label %part, label %sum
part:
  %part.at = getelementptr {kind}, ptr %x, i64 %k
  %numbers = load <{parts} x {kind}>, ptr %part.at, align 4
  %sums.next = fadd <{parts} x {kind}> %sums, %numbers
  %k.next = add nuw i64 %k, {parts}
  br label %parts
sum:
{sum}
  br label %one_by_one"""


@dataclass(frozen=True)
class Reduction:
    """A loop that reduces rows of contiguous numbers, each with the total that it has so far.

    Attributes:
        op: the name of the ufunc: ``"add"``, ``"maximum"`` or ``"minimum"``.
        char: the character of the numbers' dtype.
    """

    op: str
    char: str

    @property
    def name(self) -> str:
        """The name of its function."""
        return f"reduce {self.op} {self.char}"

    def text(self) -> str:
        """Return its LLVM code."""
        kind = FLOATS[self.char]
        parts = {"start": "  br label %one_by_one", "values": "[ %total, %row ]", "places": "[ 0, %row ]"}
        parts |= {"result": "%extreme", "unknown": "[ %total.odd, %row ]"}
        if self.op == "add":
            parts["start"] = _PARTIAL_SUMS.format(kind=kind, parts=PARTS, sum="\n".join(_pairs(kind)))
            parts |= {
                "values": "[ %only, %short_row ], [ %sum0, %sum ]",
                "places": "[ 1, %short_row ], [ %whole, %sum ]",
            }
            parts |= {"result": "%sum.all", "unknown": "[ false, %short_row ], [ false, %sum ]"}
        operation = "\n".join(self._operation(kind))
        steps = {"by_total": ROW_STEPS, "by_x": ROW_STEPS + 1}
        return _LOOP.format(name=self.name, kind=kind, parts=PARTS, operation=operation, **parts, **steps)

    def _operation(self, kind: str) -> Iterator[str]:
        """Yield the instructions that add one number; of extremes those that leave NaN to the end of the row."""
        if self.op == "add" or tie(getattr(np, self.op), np.dtype(self.char)) == "sign":
            yield from OPERATIONS[self.op](self.char * 2, (kind, kind))
            return
        yield f"  %beyond = fcmp {condition(getattr(np, self.op), self.char)} {kind} %v0, %v1"
        yield f"  %made = select i1 %beyond, {kind} %v0, {kind} %v1"


def _pairs(kind: str) -> list[str]:
    """Return the instructions that add the partial sums by pairs: ``%sum0``."""
    lines = [f"  %e{at} = extractelement <{PARTS} x {kind}> %sums, i64 {at}" for at in range(PARTS)]
    names = [f"%e{at}" for at in range(PARTS)]
    while len(names) > 1:
        made = [f"%sum{at}" if len(names) == 2 else f"%p{len(names)}.{at}" for at in range(len(names) // 2)]
        lines += [
            f"  {name} = fadd {kind} {one}, {other}"
            for name, one, other in zip(made, names[::2], names[1::2], strict=True)
        ]
        names = made
    return lines


def reduction(ufunc: np.ufunc, char: str, length: int) -> Reduction | None:
    """Return the loop for rows of ``length`` numbers beside their total, or None if NumPy's must be called."""
    if ufunc not in (np.add, np.maximum, np.minimum) or char not in FLOATS or length > LONGEST:
        return None
    return Reduction(ufunc.__name__, char) if in_numpys_order(ufunc, char, length) else None


@functools.cache
def in_numpys_order(ufunc: np.ufunc, char: str, length: int) -> bool:
    """Return whether NumPy reduces rows of this length in the order of `Reduction`.

    Sums show their order in the last bits. The order of extremes matters among 0 and -0 only, of which NumPy's
    vectorized loops return one or the other, depending on the processor and the length.
    """
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((TRIALS, length)).astype(char)
    if ufunc is np.add:
        return same_bits(np.add.reduce(rows, axis=1), np.zeros(TRIALS, char) + _added(rows))
    try:
        tie(ufunc, np.dtype(char))
    except UnfusableError:
        return False
    rows = np.concatenate([rows, np.copysign(np.zeros_like(rows), rows)])
    rows = np.concatenate([rows[:, :1], rows], axis=1)  # the total is a number of its own
    rows = np.concatenate([rows, _ties(length + 1, -1.0 if ufunc is np.maximum else 1.0).astype(char)])
    expected = rows[:, 0]
    for column in rows.T[1:]:
        expected = ufunc(expected, column)
    return same_bits(ufunc.reduce(rows, axis=1), expected)


def _ties(length: int, other: float) -> np.ndarray:
    """Return rows with 0 and -0, and -0 and 0, at each pair of places, and ``other`` everywhere else."""
    first, second = np.triu_indices(length, 1)
    rows = np.full((2, len(first), length), other)
    at = np.arange(len(first))
    rows[:, at, first], rows[:, at, second] = [[0.0], [-0.0]], [[-0.0], [0.0]]
    return rows.reshape(-1, length)


def _added(rows: np.ndarray) -> np.ndarray:
    """Return the sums of rows in the order of `Reduction`."""
    columns = list(rows.T)
    whole = len(columns) // PARTS * PARTS
    sums = columns[: PARTS if whole else 1]
    for at in range(PARTS, whole, PARTS):
        sums = [one + other for one, other in zip(sums, columns[at : at + PARTS], strict=True)]
    while len(sums) > 1:
        sums = [one + other for one, other in zip(sums[::2], sums[1::2], strict=True)]
    (total,) = sums
    for column in columns[whole or 1 :]:
        total = total + column
    return total
