"""Compilation of LLVM modules to machine code. Only this module uses llvmlite, which it imports on first use."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from framework.compiler import cache
from framework.compiler.ir import UnfusableError

FORMAT = 1
"""Part of every cache key: increase it if code cached by an older version must not be called."""

Call = Callable[[int, int], None]


@dataclass(frozen=True)
class Code:
    """A compiled module. Its owner must live as long as its functions are used."""

    owner: Any

    def address(self, name: str) -> int:
        """Return the address of a function of the module."""
        return int(self.owner.get_function_address(name))

    def call(self, name: str) -> Call:
        """Return a function that takes the address of a plan and a number. Calls release the GIL."""
        return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ssize_t)(self.address(name))


@functools.cache
def load(module: str) -> Code:
    """Return the compiled ``module``: from this process, from disk, or compiled now (about 20 ms).

    Args:
        module: the text of an LLVM module.

    Raises:
        UnfusableError: llvmlite is missing or cannot compile the module on this machine.
    """
    llvm, machine, identity = _host()
    key = hashlib.sha256("\0".join((identity, module)).encode()).hexdigest()
    code = cache.get(key)
    try:
        if code is None:
            code = _compile(llvm, machine, module)
            cache.put(key, code)
        return _link(llvm, machine(), code)
    except RuntimeError as error:
        raise UnfusableError(f"LLVM reports: {error}") from error


@functools.cache
def _host() -> tuple[Any, Callable[[], Any], str]:
    """Return llvmlite, a factory of target machines for this processor, and a text that identifies both."""
    try:
        import llvmlite
        from llvmlite import binding as llvm
    except (ImportError, OSError) as error:
        raise UnfusableError(f"llvmlite cannot be imported ({error}): pip install llvmlite") from error
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()

    def machine() -> Any:
        return target.create_target_machine(cpu=processor, features=features, opt=3)

    versions = (FORMAT, llvmlite.__version__, llvm.llvm_version_info, target.triple, processor, features)
    return llvm, machine, repr(versions)


def _compile(llvm: Any, machine: Callable[[], Any], module: str) -> bytes:
    parsed = llvm.parse_assembly(module)
    parsed.verify()
    chosen = machine()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(chosen, options)
    passes.getModulePassManager().run(parsed, passes)
    return bytes(chosen.emit_object(parsed))


def _link(llvm: Any, machine: Any, code: bytes) -> Code:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine)
