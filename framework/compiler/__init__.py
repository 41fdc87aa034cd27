"""Compilation of update rules: from the rule to operations, to LLVM code, to cached machine code."""
