"""LLVM code of the loops that a replay does not take from NumPy: operations whose bits IEEE 754 determines.

NumPy calls an inner loop for each row of numbers that is evenly spaced. For short rows, such as a layer's ten outputs,
the calls take longer than the arithmetic; these loops go over all rows in one call, and have the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from framework.compiler.ir import UnfusableError, tie

ROW_STEPS = 4
"""Place of the steps from row to row among a call's steps."""

FLOATS = {"f": "float", "d": "double"}
"""LLVM types of floats by the characters of NumPy's dtypes."""

KINDS = {**FLOATS, "?": "i8", "l": "i64"}
"""LLVM types by the characters of NumPy's dtypes."""

JOIN = " then "
"""Between the names of two operations in the name of a kernel of both."""

COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal"})
"""Ufuncs whose results are booleans."""

_LOOP = """
define void @"{name}"(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{
entry:
  %n = load i64, ptr %dims
  %rows.at = getelementptr i64, ptr %dims, i64 1
  %rows = load i64, ptr %rows.at
{setup}
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %i.next, %end ]
{row}
  br label %element
element:
  %j = phi i64 [ 0, %row ], [ %j.next, %element ]
{element}
  %j.next = add nuw i64 %j, 1
  %more = icmp ult i64 %j.next, %n
  br i1 %more, label %element, label %end, !llvm.loop !1
end:
{end}
  %i.next = add nuw i64 %i, 1
  %some = icmp ult i64 %i.next, %rows
  br i1 %some, label %row, label %done
done:
  ret void
}}
"""

DECLARED = """
declare float @llvm.maximum.f32(float, float)
declare float @llvm.minimum.f32(float, float)
declare double @llvm.maximum.f64(double, double)
declare double @llvm.minimum.f64(double, double)
attributes #0 = { nounwind "no-builtins" }
!0 = distinct !{}
!1 = distinct !{!1, !2, !3}
!2 = !{!"llvm.loop.parallel_accesses", !0}
!3 = !{!"llvm.loop.interleave.count", i32 1}
"""
"""Declarations that the loops need. No element depends on another one: an operand may be the target, but not overlap it
otherwise."""


@dataclass(frozen=True)
class Kernel:
    """A loop over rows of elements.

    Attributes:
        op: the operation: ``"copy"``, ``"cast"``, ``"where"``, ``"mask"`` (a float times a boolean), a ufunc's name, or
            two operations as `joined` names them.
        types: the characters of the operands' dtypes, the target last, as in ``"ff->f"``; for a copy the size.
        layout: per operand ``"c"`` for contiguous elements in a row, ``"s"`` for a single one, ``"v"`` for any spacing.
    """

    op: str
    types: str
    layout: str

    @property
    def name(self) -> str:
        """The name of its function."""
        return f"{self.op} {self.types} {self.layout}"

    def text(self) -> str:
        """Return its LLVM code."""
        kinds = self._kinds()
        return _LOOP.format(
            name=self.name,
            setup="\n".join(self._setup()),
            row="\n".join(self._row(kinds)),
            element="\n".join(self._element(kinds)),
            end="\n".join(
                f"  %b{at}.next = getelementptr i8, ptr %b{at}, i64 %r{at}" for at in range(len(self.layout))
            ),
        )

    def _kinds(self) -> list[str]:
        if self.op == "copy":
            return [f"i{8 * int(self.types)}"] * 2
        return [KINDS[char] for char in self.types.replace("->", "")]

    def _setup(self) -> Iterator[str]:
        for at, layout in enumerate(self.layout):
            yield f"  %p{at}.at = getelementptr ptr, ptr %args, i64 {at}"
            yield f"  %p{at} = load ptr, ptr %p{at}.at"
            yield f"  %r{at}.at = getelementptr i64, ptr %steps, i64 {ROW_STEPS + at}"
            yield f"  %r{at} = load i64, ptr %r{at}.at"
            if layout == "v":
                yield f"  %s{at}.at = getelementptr i64, ptr %steps, i64 {at}"
                yield f"  %s{at} = load i64, ptr %s{at}.at"

    def _row(self, kinds: Sequence[str]) -> Iterator[str]:
        for at in range(len(kinds)):
            yield f"  %b{at} = phi ptr [ %p{at}, %entry ], [ %b{at}.next, %end ]"
        for at, kind in enumerate(kinds):
            if self.layout[at] == "s":
                yield f"  %v{at} = load {kind}, ptr %b{at}, align 1"

    def _element(self, kinds: Sequence[str]) -> Iterator[str]:
        last = len(kinds) - 1
        for at, kind in enumerate(kinds):
            if self.layout[at] == "v":
                yield f"  %o{at} = mul i64 %j, %s{at}"
                yield f"  %a{at} = getelementptr i8, ptr %b{at}, i64 %o{at}"
            if self.layout[at] == "c":
                yield f"  %a{at} = getelementptr {kind}, ptr %b{at}, i64 %j"
            if at < last and self.layout[at] != "s":
                yield f"  %v{at} = load {kind}, ptr %a{at}, align 1, !llvm.access.group !0"
        yield from (_both(self.op) if JOIN in self.op else OPERATIONS[self.op])(self.types, kinds)
        value = "%v0" if self.op == "copy" else "%made"
        yield f"  store {kinds[last]} {value}, ptr %a{last}, align 1, !llvm.access.group !0"


Operation = Callable[[str, Sequence[str]], Iterator[str]]
"""Yields the instructions that compute ``%made`` of ``%v0``, ``%v1``, …, given the operands' characters and types."""


def _simple(op: str) -> Operation:
    def lines(types: str, kinds: Sequence[str]) -> Iterator[str]:
        yield f"  %made = {op} {kinds[0]} %v0, %v1"

    return lines


def _compared(condition: str) -> Operation:
    def lines(types: str, kinds: Sequence[str]) -> Iterator[str]:
        yield f"  %truth = fcmp {condition} {kinds[0]} %v0, %v1"
        yield "  %made = zext i1 %truth to i8"

    return lines


def condition(ufunc: np.ufunc, char: str) -> str:
    """Return the comparison by which maximum or minimum takes the first of two numbers, as NumPy does on this machine.

    Args:
        ufunc: ``np.maximum`` or ``np.minimum``, for which `tie` is ``"first"`` or ``"second"``.
        char: the character of the numbers' dtype.
    """
    strict = "ogt" if ufunc is np.maximum else "olt"
    return strict.replace("t", "e") if tie(ufunc, np.dtype(char)) == "first" else strict


def _extreme(ufunc: np.ufunc) -> Operation:
    """Return maximum or minimum, which chooses between 0 and -0 as NumPy does on this machine."""

    def lines(types: str, kinds: Sequence[str]) -> Iterator[str]:
        kind = kinds[0]
        if tie(ufunc, np.dtype(types[0])) == "sign":
            suffix = "f32" if kind == "float" else "f64"
            yield f"  %made = call {kind} @llvm.{ufunc.__name__}.{suffix}({kind} %v0, {kind} %v1)"
            return
        yield f"  %beyond = fcmp {condition(ufunc, types[0])} {kind} %v0, %v1"
        yield f"  %larger = select i1 %beyond, {kind} %v0, {kind} %v1"
        yield f"  %unknown = fcmp uno {kind} %v0, %v0"
        yield f"  %made = select i1 %unknown, {kind} %v0, {kind} %larger"

    return lines


def _copy(types: str, kinds: Sequence[str]) -> Iterator[str]:
    return iter(())


def _cast(types: str, kinds: Sequence[str]) -> Iterator[str]:
    made = types[-1]
    op = {"?": "uitofp", "l": "sitofp", "d": "fptrunc", "f": "fpext"}[types[0]]
    yield f"  %made = {op} {kinds[0]} %v0 to {KINDS[made]}"


def _where(types: str, kinds: Sequence[str]) -> Iterator[str]:
    yield f"  %truth = icmp ne {kinds[0]} %v0, 0"
    yield f"  %made = select i1 %truth, {kinds[1]} %v1, {kinds[2]} %v2"


def _mask(types: str, kinds: Sequence[str]) -> Iterator[str]:
    yield f"  %factor = uitofp {kinds[1]} %v1 to {kinds[0]}"
    yield f"  %made = fmul {kinds[0]} %v0, %factor"


OPERATIONS: Mapping[str, Operation] = {
    "copy": _copy,
    "cast": _cast,
    "where": _where,
    "mask": _mask,
    "add": _simple("fadd"),
    "subtract": _simple("fsub"),
    "multiply": _simple("fmul"),
    "divide": _simple("fdiv"),
    "maximum": _extreme(np.maximum),
    "minimum": _extreme(np.minimum),
    "greater": _compared("ogt"),
    "greater_equal": _compared("oge"),
    "less": _compared("olt"),
    "less_equal": _compared("ole"),
    "equal": _compared("oeq"),
    "bitwise_and": _simple("and"),
    "bitwise_or": _simple("or"),
    "bitwise_xor": _simple("xor"),
}


def _both(op: str) -> Operation:
    """Return the two operations of a name that `joined` made."""
    first, second, place = op.split(JOIN)
    given = {f"v{place}": "mid", f"v{1 - int(place)}": "v2", "made": "made"}

    def lines(types: str, kinds: Sequence[str]) -> Iterator[str]:
        a, b, c, made = list(types.replace("->", ""))
        mid = "?" if first in COMPARISONS else a
        yield from _renamed(OPERATIONS[first](f"{a}{b}->{mid}", [*kinds[:2], KINDS[mid]]), {"made": "mid"}, ".first")
        pair = (mid, c) if place == "0" else (c, mid)
        inner = OPERATIONS[second](f"{pair[0]}{pair[1]}->{made}", [*(KINDS[char] for char in pair), kinds[3]])
        yield from _renamed(inner, given, ".second")

    return lines


def _renamed(lines: Iterator[str], names: Mapping[str, str], suffix: str) -> Iterator[str]:
    """Yield instructions with other names of values; those that are not in ``names`` get a suffix, except operands."""
    for line in lines:
        yield re.sub(r"%([\w.]+)", lambda found: "%" + names.get(found[1], _own_name(found[1], suffix)), line)


def _own_name(name: str, suffix: str) -> str:
    return name if re.fullmatch(r"v\d", name) else name + suffix


def joined(first: str, types: str, second: str, others: str, place: int, layout: str) -> Kernel | None:
    """Return the kernel of two operations of which the second one takes the first one's result, or None.

    Args:
        first: a ufunc's name.
        types: the characters of its operands' dtypes.
        second: another one, or ``"mask"``.
        others: the characters of its operands' dtypes.
        place: which of its operands is the first one's result, 0 or 1.
        layout: as in `Kernel`, of the first operation's inputs, the second one's other input, and the target.
    """
    known = own(first, types, "ccc") and (second == "mask" or own(second, others, "ccc"))
    if not known or layout[-1] != "c" or "v" in layout:
        return None
    given, made = others.split("->")
    return Kernel(
        JOIN.join((first, second, str(place))), f"{types.partition('->')[0]}{given[1 - place]}->{made}", layout
    )


def own(op: str, types: str, layout: str) -> Kernel | None:
    """Return the kernel of a ufunc for rows of this layout, or None if NumPy's loop must be called for each row."""
    given = types.partition("->")[0]
    of_booleans = op.startswith("bitwise_")
    if op not in OPERATIONS or set(given) - ({"?"} if of_booleans else set(FLOATS)) or len(set(given)) != 1:
        return None
    if layout[-1] != "c" or "v" in layout:
        return None
    if op in ("maximum", "minimum"):
        try:
            tie(np.maximum if op == "maximum" else np.minimum, np.dtype(given[0]))
        except UnfusableError:
            return None
    return Kernel(op, types, layout)
