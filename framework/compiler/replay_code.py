"""LLVM code that replays recorded calls: an interpreter of a table of calls, and the loops that it calls.

The module does not depend on shapes: it is the same for all models with the same kinds of calls, for which it is
compiled once and then loaded from the cache.
"""

from __future__ import annotations

from collections.abc import Collection

from framework.compiler.kernels import DECLARED, FLOATS, Kernel
from framework.compiler.reductions import Reduction

CALL, DATA, DIMS, COUNTS, STEPS, BASES, BY_RUN, BY_STEP, BY_LOOP = 0, 1, 2, 6, 12, 24, 28, 32, 36
"""Indices into the row of a call in the table: see `framework.compiler.replay.Table`."""

WORDS = 48
"""Length of a row."""

OPERANDS, LEVELS = 4, 3
"""Maximum numbers of operands, and of loops around a call."""

ALL, STOP, FIRST = 2, 3, 4
"""Index into a plan, which has the address of the table, the number of calls before the loop over the runs, the number
of all calls, the run to stop before, and the first one."""

_REPLAY = """\
define internal void @call(ptr %row, i64 %run, i64 %step, ptr %args) #0 {
entry:
  %function = load ptr, ptr %row
  %data.at = getelementptr i64, ptr %row, i64 1
  %data = load ptr, ptr %data.at
  %dims = getelementptr i64, ptr %row, i64 2
  %steps = getelementptr i64, ptr %row, i64 12
  %count0.at = getelementptr i64, ptr %row, i64 6
  %count1.at = getelementptr i64, ptr %row, i64 7
  %count2.at = getelementptr i64, ptr %row, i64 8
  %count0 = load i64, ptr %count0.at
  %count1 = load i64, ptr %count1.at
  %count2 = load i64, ptr %count2.at
  %bases.at = getelementptr i64, ptr %row, i64 24
  %by_run.at = getelementptr i64, ptr %row, i64 28
  %by_step.at = getelementptr i64, ptr %row, i64 32
  %by_loop0.at = getelementptr i64, ptr %row, i64 36
  %by_loop1.at = getelementptr i64, ptr %row, i64 40
  %by_loop2.at = getelementptr i64, ptr %row, i64 44
  %bases = load <4 x i64>, ptr %bases.at, align 8
  %by_run = load <4 x i64>, ptr %by_run.at, align 8
  %by_step = load <4 x i64>, ptr %by_step.at, align 8
  %by_loop0 = load <4 x i64>, ptr %by_loop0.at, align 8
  %by_loop1 = load <4 x i64>, ptr %by_loop1.at, align 8
  %by_loop2 = load <4 x i64>, ptr %by_loop2.at, align 8
  %run.one = insertelement <4 x i64> poison, i64 %run, i64 0
  %run.all = shufflevector <4 x i64> %run.one, <4 x i64> poison, <4 x i32> zeroinitializer
  %step.one = insertelement <4 x i64> poison, i64 %step, i64 0
  %step.all = shufflevector <4 x i64> %step.one, <4 x i64> poison, <4 x i32> zeroinitializer
  %run.off = mul <4 x i64> %by_run, %run.all
  %step.off = mul <4 x i64> %by_step, %step.all
  %at.run = add <4 x i64> %bases, %run.off
  %start = add <4 x i64> %at.run, %step.off
  br label %loop0
loop0:
  %i0 = phi i64 [ 0, %entry ], [ %i0.next, %end0 ]
  %at0 = phi <4 x i64> [ %start, %entry ], [ %at0.next, %end0 ]
  br label %loop1
loop1:
  %i1 = phi i64 [ 0, %loop0 ], [ %i1.next, %end1 ]
  %at1 = phi <4 x i64> [ %at0, %loop0 ], [ %at1.next, %end1 ]
  br label %loop2
loop2:
  %i2 = phi i64 [ 0, %loop1 ], [ %i2.next, %loop2 ]
  %at2 = phi <4 x i64> [ %at1, %loop1 ], [ %at2.next, %loop2 ]
  store <4 x i64> %at2, ptr %args, align 8
  call void %function(ptr %args, ptr %dims, ptr %steps, ptr %data)
  %at2.next = add <4 x i64> %at2, %by_loop2
  %i2.next = add i64 %i2, 1
  %more2 = icmp ult i64 %i2.next, %count2
  br i1 %more2, label %loop2, label %end1
end1:
  %at1.next = add <4 x i64> %at1, %by_loop1
  %i1.next = add i64 %i1, 1
  %more1 = icmp ult i64 %i1.next, %count1
  br i1 %more1, label %loop1, label %end0
end0:
  %at0.next = add <4 x i64> %at0, %by_loop0
  %i0.next = add i64 %i0, 1
  %more0 = icmp ult i64 %i0.next, %count0
  br i1 %more0, label %loop0, label %done
done:
  ret void
}

define internal void @calls(ptr %table, i64 %from, i64 %to, i64 %run, i64 %step, ptr %args) #0 {
entry:
  br label %test
test:
  %i = phi i64 [ %from, %entry ], [ %next, %work ]
  %more = icmp ult i64 %i, %to
  br i1 %more, label %work, label %done
work:
  %words = mul i64 %i, 48
  %row = getelementptr i64, ptr %table, i64 %words
  call void @call(ptr %row, i64 %run, i64 %step, ptr %args)
  %next = add i64 %i, 1
  br label %test
done:
  ret void
}

define void @replay(ptr %plan, i64 %count) #0 {
entry:
  %args = alloca [4 x i64], align 32
  %table = load ptr, ptr %plan
  %before.at = getelementptr i64, ptr %plan, i64 1
  %all.at = getelementptr i64, ptr %plan, i64 2
  %runs.at = getelementptr i64, ptr %plan, i64 3
  %first.at = getelementptr i64, ptr %plan, i64 4
  %before = load i64, ptr %before.at
  %all = load i64, ptr %all.at
  %runs = load i64, ptr %runs.at
  %first = load i64, ptr %first.at
  br label %test
test:
  %step = phi i64 [ 0, %entry ], [ %step.next, %end ]
  %more = icmp ult i64 %step, %count
  br i1 %more, label %work, label %done
work:
  call void @calls(ptr %table, i64 0, i64 %before, i64 0, i64 %step, ptr %args)
  br label %each
each:
  %run = phi i64 [ %first, %work ], [ %run.next, %each ]
  call void @calls(ptr %table, i64 %before, i64 %all, i64 %run, i64 %step, ptr %args)
  %run.next = add i64 %run, 1
  %some = icmp ult i64 %run.next, %runs
  br i1 %some, label %each, label %end
end:
  %step.next = add i64 %step, 1
  br label %test
done:
  ret void
}

define void @part(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {
  %own = alloca [4 x i64], align 32
  %table = load ptr, ptr %args
  %run.at = getelementptr i64, ptr %args, i64 1
  %run = load i64, ptr %run.at
  %step.at = getelementptr i64, ptr %args, i64 2
  %step = load i64, ptr %step.at
  %count = load i64, ptr %dims
  call void @calls(ptr %table, i64 0, i64 %count, i64 %run, i64 %step, ptr %own)
  ret void
}

define void @rule(ptr %args, ptr %dims, ptr %steps, ptr %function) #0 {
  %plan = load ptr, ptr %args
  %row.at = getelementptr i64, ptr %args, i64 1
  %row = load i64, ptr %row.at
  call void %function(ptr %plan, i64 %row)
  ret void
}
"""

_MOVER = """
define void @"{name}"(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{
entry:
  %n = load i64, ptr %dims
  %limit.at = getelementptr i64, ptr %dims, i64 1
  %limit = load i64, ptr %limit.at
  %flat = load ptr, ptr %args
  %indices.at = getelementptr ptr, ptr %args, i64 1
  %indices = load ptr, ptr %indices.at
  %numbers.at = getelementptr ptr, ptr %args, i64 2
  %numbers = load ptr, ptr %numbers.at
  %lower.at = getelementptr i64, ptr %args, i64 3
  %lower = load i64, ptr %lower.at
  %by_index.at = getelementptr i64, ptr %steps, i64 1
  %by_index = load i64, ptr %by_index.at
  %by_number.at = getelementptr i64, ptr %steps, i64 2
  %by_number = load i64, ptr %by_number.at
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %end ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %work, label %done
work:
  %index.off = mul i64 %i, %by_index
  %index.at = getelementptr i8, ptr %indices, i64 %index.off
  %index = load i64, ptr %index.at
  %place = sub i64 %index, %lower
  %inside = icmp ult i64 %place, %limit
  br i1 %inside, label %move, label %miss
move:
  %at = getelementptr {kind}, ptr %flat, i64 %place
  %number.off = mul i64 %i, %by_number
  %number = getelementptr i8, ptr %numbers, i64 %number.off
  %value = load {kind}, ptr {source}
  store {kind} %value, ptr {target}
  br label %end
miss:
  store i64 1, ptr %data
  br label %end
end:
  %next = add nuw i64 %i, 1
  br label %test
done:
  ret void
}}
"""
"""Moves the numbers at checked indices. Operands: the flat array, indices, numbers, and the first index that exists;
dims[1] is the number of indices that exist. An index that does not exist sets the flag at ``data``."""


_ROWS = """
define void @rows(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {
entry:
  %n = load i64, ptr %dims
  %limit.at = getelementptr i64, ptr %dims, i64 1
  %limit = load i64, ptr %limit.at
  %size.at = getelementptr i64, ptr %dims, i64 2
  %size = load i64, ptr %size.at
  %samples = load ptr, ptr %args
  %indices.at = getelementptr ptr, ptr %args, i64 1
  %indices = load ptr, ptr %indices.at
  %target.at = getelementptr ptr, ptr %args, i64 2
  %target = load ptr, ptr %target.at
  %by_index.at = getelementptr i64, ptr %steps, i64 1
  %by_index = load i64, ptr %by_index.at
  %by_row.at = getelementptr i64, ptr %steps, i64 2
  %by_row = load i64, ptr %by_row.at
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %end ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %work, label %done
work:
  %index.off = mul i64 %i, %by_index
  %index.at = getelementptr i8, ptr %indices, i64 %index.off
  %index = load i64, ptr %index.at
  %inside = icmp ult i64 %index, %limit
  br i1 %inside, label %move, label %miss
move:
  %from.off = mul i64 %index, %size
  %from = getelementptr i8, ptr %samples, i64 %from.off
  %to.off = mul i64 %i, %by_row
  %to = getelementptr i8, ptr %target, i64 %to.off
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  br label %end
miss:
  store i64 1, ptr %data
  br label %end
end:
  %next = add nuw i64 %i, 1
  br label %test
done:
  ret void
}

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
"""Copies the samples at checked indices. Operands: samples, indices, target; dims[1] is the number of samples and
dims[2] the bytes of one."""


def module(kernels: Collection[Kernel | Reduction]) -> str:
    """Return the LLVM module with ``replay(plan, count)``, ``part``, ``rule``, ``rows``, movers and kernels."""
    movers = [
        _MOVER.format(name=f"{op}_{char}", kind=kind, source=source, target=target)
        for char, kind in FLOATS.items()
        for op, source, target in (("take", "%at", "%number"), ("put", "%number", "%at"))
    ]
    loops = [kernel.text() for kernel in sorted(kernels, key=lambda kernel: kernel.name)]
    return "".join([_REPLAY, _ROWS, *movers, *loops, DECLARED])
