"""Generation of one LLVM loop from a formula: each element is loaded once, processed in registers and stored once.

No fast-math flag is set, so LLVM follows IEEE 754 to the last bit: it does not reassociate, and it does not contract
a product and a sum into one operation with a single rounding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from framework.compiler.ir import Formula, Node

COUNTER, TABLE, RUNS, SIZE, CHUNK, FIRST = range(6)
"""Indices into a plan, an int64 array: the next piece of work, the address of the coefficients, the population's
shape (RUNS and SIZE), the number of elements per piece, and from FIRST on the addresses of the element arrays."""

_MODULE = """\
define internal void @piece({elements}, ptr noalias %columns, i64 %from, i64 %to) #0 {{
entry:
{loads}
  br label %element
element:
  %i = phi i64 [ %from, %entry ], [ %next, %element ]
{body}
  %next = add nuw nsw i64 %i, 1
  %more = icmp ult i64 %next, %to
  br i1 %more, label %element, label %done
done:
  ret void
}}

define void @fused_step(ptr %plan, i64 %row) #0 {{
  store i64 0, ptr %plan
  call void @fused_share(ptr %plan, i64 %row)
  ret void
}}

define void @fused_share(ptr %plan, i64 %row) #0 {{
entry:
{fields}
  %less = sub i64 %chunk, 1
  %filled = add i64 %size, %less
  %chunks = udiv i64 %filled, %chunk
  %pieces = mul i64 %runs, %chunks
  %above = mul i64 %row, %runs
  br label %take
take:
  %piece = atomicrmw add ptr %plan, i64 1 monotonic
  %some = icmp ult i64 %piece, %pieces
  br i1 %some, label %work, label %done
work:
  %run = udiv i64 %piece, %chunks
  %place = urem i64 %piece, %chunks
  %start = mul i64 %run, %size
  %end = add i64 %start, %size
  %offset = mul i64 %place, %chunk
  %from = add i64 %start, %offset
  %full = add i64 %from, %chunk
  %ends = icmp ult i64 %full, %end
  %to = select i1 %ends, i64 %full, i64 %end
  %line = add i64 %above, %run
  %skipped = mul i64 %line, {width}
  %columns = getelementptr {t}, ptr %table, i64 %skipped
  call void @piece({pointers}, ptr %columns, i64 %from, i64 %to)
  br label %take
done:
  ret void
}}

declare {t} @llvm.sqrt.{suffix}({t})
declare {t} @llvm.fabs.{suffix}({t})
declare {t} @llvm.copysign.{suffix}({t}, {t})
declare {t} @llvm.maximum.{suffix}({t}, {t})
declare {t} @llvm.minimum.{suffix}({t}, {t})
attributes #0 = {{ nounwind "no-builtins" }}
"""

INTRINSICS = ("sqrt", "fabs", "copysign", "maximum", "minimum")


def lower(formula: Formula) -> str:
    """Return an LLVM module with the functions ``fused_step(plan, row)`` and ``fused_share(plan, row)``.

    ``fused_step`` computes a whole step with the coefficients in row ``row`` of the table. ``fused_share`` processes
    pieces of the step until none is left: several threads may call it at once, after the counter was set to zero. The
    table has shape ``(T, R, K)`` in the formula's dtype: K coefficients in the order of ``formula.columns``.
    """
    t = "float" if formula.dtype == np.float32 else "double"
    count = len(formula.elements)
    return _MODULE.format(
        t=t,
        suffix="f32" if t == "float" else "f64",
        width=len(formula.columns),
        elements=", ".join(f"ptr noalias %e{place}" for place in range(count)),
        pointers=", ".join(f"ptr %e{place}" for place in range(count)),
        loads="\n".join(_loads(formula, t)),
        body="\n".join(_body(formula, t)),
        fields="\n".join(_fields(count)),
    )


def _fields(elements: int) -> Iterator[str]:
    named = {"table": TABLE, "runs": RUNS, "size": SIZE, "chunk": CHUNK}
    named |= {f"e{place}": FIRST + place for place in range(elements)}
    for name, place in named.items():
        yield f"  %{name}.at = getelementptr i64, ptr %plan, i64 {place}"
        yield f"  %{name} = load {'i64' if name in ('runs', 'size', 'chunk') else 'ptr'}, ptr %{name}.at"


def _loads(formula: Formula, t: str) -> Iterator[str]:
    for at, node in enumerate(formula.nodes):
        if node.op == "column":
            yield f"  %n{at}.at = getelementptr {t}, ptr %columns, i64 {formula.columns.index(node.args[0])}"
            yield f"  %n{at} = load {t}, ptr %n{at}.at"


def _body(formula: Formula, t: str) -> Iterator[str]:
    for place in range(len(formula.elements)):
        yield f"  %a{place} = getelementptr {t}, ptr %e{place}, i64 %i"
    for at, node in enumerate(formula.nodes):
        if node.op not in ("column", "number", "truth"):
            yield f"  %n{at} = {_instruction(formula, node, t)}"
    for name, at in formula.stores.items():
        yield f"  store {t} {_value(formula, at)}, ptr %a{formula.elements.index(name)}"


def _instruction(formula: Formula, node: Node, t: str) -> str:
    if node.op == "element":
        return f"load {t}, ptr %a{node.args[0]}"
    values = [_value(formula, at) for at in node.args]
    if node.op in INTRINSICS:
        suffix = "f32" if t == "float" else "f64"
        return f"call {t} @llvm.{node.op}.{suffix}({', '.join(f'{t} {value}' for value in values)})"
    if node.op == "uitofp":
        return f"uitofp i1 {values[0]} to {t}"
    if node.op == "select":
        return f"select i1 {values[0]}, {t} {values[1]}, {t} {values[2]}"
    of_truths = node.op in ("and", "or", "xor")
    return f"{node.op} {'i1' if of_truths else t} {', '.join(values)}"


def _value(formula: Formula, at: int) -> str:
    node = formula.nodes[at]
    if node.op == "number":  # LLVM expects the bits of the equal double for a float32, too
        return f"0x{struct.unpack('>Q', struct.pack('>d', float.fromhex(node.args[0])))[0]:016X}"
    if node.op == "truth":
        return "true" if node.args[0] else "false"
    return f"%n{at}"
