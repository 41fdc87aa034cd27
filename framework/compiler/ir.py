"""Tracing of an update rule: the plugin's rule is called once with symbols, which record its operations.

Source and bytecode are not translated, so the formula includes all helpers, constants and flags that the rule uses,
and the rule is defined only once, in the plugin. Operations whose bits could differ are rejected; NumPy then runs the
rule. (Sign and payload of a NaN are exempt: processors choose them by the order of operands.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from framework.errors import FrameworkError

SOURCES = frozenset({"element", "column", "number", "truth"})
"""Operations of nodes that are inputs or constants."""

TIE_LENGTH = 67
"""Length of the arrays that `tie` compares: enough for NumPy's vector loop and its scalar remainder."""


class UnfusableError(FrameworkError):
    """A rule cannot be compiled on this machine. The message completes the text "cannot be compiled: "."""


@dataclass(frozen=True)
class Node:
    """One operation, input or constant.

    Attributes:
        op: an LLVM instruction, an LLVM intrinsic such as ``"sqrt"``, or one of `SOURCES`.
        args: indices of the operands in `Formula.nodes`; for a source its index, name or value.
        truth: whether the result is a boolean instead of a number.
    """

    op: str
    args: tuple[Any, ...]
    truth: bool = False


@dataclass
class Formula:
    """The operations of a rule, each after its operands.

    Attributes:
        dtype: the dtype of every number, float32 or float64.
        elements: names of the per-element inputs in use: ``"p"``, ``"g"`` and slots.
        columns: names of the coefficients in use, in the order of their first use.
        nodes: the operations, inputs and constants.
        stores: for each element that changes, the index of its new value in ``nodes``.
    """

    dtype: np.dtype
    elements: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    stores: dict[str, int] = field(default_factory=dict)
    _places: dict[Node, int] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        """The number of operations, without inputs and constants."""
        return sum(node.op not in SOURCES for node in self.nodes)

    def place(self, op: str, *args: Any, truth: bool = False) -> int:
        """Return the index of a node; append the node if it is new."""
        node = Node(op, args, truth)
        if node not in self._places:
            self._places[node] = len(self.nodes)
            self.nodes.append(node)
            if op == "column":
                self.columns.append(args[0])
        return self._places[node]

    def make(self, op: str, *args: Any, truth: bool = False) -> Symbol:
        """Return the symbol of a node; append the node if it is new."""
        return Symbol(self, self.place(op, *args, truth=truth))

    def number(self, value: float) -> Symbol:
        """Return the symbol of a constant, rounded to the dtype as NumPy rounds a Python number operand."""
        with np.errstate(over="ignore"):
            return self.make("number", float(self.dtype.type(value)).hex())

    def operand(self, value: Any) -> Symbol:
        """Return the symbol of an operand that a rule combines with numbers of the parameters' dtype.

        Raises:
            UnfusableError: the operand is not a number, or NumPy would compute in another dtype.
        """
        if isinstance(value, Symbol):
            return value.number()
        if isinstance(value, int | float) and not isinstance(value, np.generic):
            return self.number(value)
        if isinstance(value, np.number | np.bool) and np.result_type(self.dtype, value) == self.dtype:
            return self.number(value.item())
        if isinstance(value, np.generic):
            raise UnfusableError(f"it mixes {value.dtype} (the number {value}) with {self.dtype}: use a Python number")
        raise UnfusableError(f"it uses a {type(value).__name__} as a number")


def read(
    rule: Callable[..., Any],
    slots: Mapping[str, bool],
    columns: Sequence[str],
    constants: Mapping[str, Any],
    dtype: np.dtype,
) -> Formula:
    """Return the formula that ``rule`` computes.

    Args:
        rule: as `framework.base.elementwise_optimizer.ElementwiseOptimizer.rule`.
        slots: the slots' names in order, and whether each is in use; the rule gets None for the others.
        columns: the names of the keyword arguments that are coefficients.
        constants: flags and other structure by the name of the keyword argument.
        dtype: float32 or float64.

    Raises:
        UnfusableError: a compiled loop would not give the same bits; the message names the operation.
    """
    formula = Formula(dtype, ["p", "g", *(name for name, used in slots.items() if used)])
    inputs = {name: formula.make("element", index) for index, name in enumerate(formula.elements)}
    given = [inputs["p"], inputs["g"], *(inputs.get(name) for name in slots)]
    symbols = {name: Symbol(formula, None, name) for name in columns}
    try:
        result = rule(*given, **symbols, **constants)
    except UnfusableError:
        raise
    except Exception as error:  # a plugin's code may raise anything if called with symbols
        raise UnfusableError(f"{type(error).__name__}: {error}".replace("\n", " ")) from error
    new = result if isinstance(result, tuple) else (result,)
    if len(new) != 1 + len(slots):
        raise UnfusableError(f"it returns {len(new)} values instead of {1 + len(slots)}")
    for name, value in zip(["p", *slots], new, strict=True):
        if name in inputs and value is not inputs[name]:
            formula.stores[name] = formula.operand(value).at
    return formula


class Symbol(NDArrayOperatorsMixin):
    """A number or boolean that a rule computes with; operations on it are recorded in the formula."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, formula: Formula, place: int | None, column: str = "") -> None:
        self.formula = formula
        self._place = place
        self._column = column

    @property
    def at(self) -> int:
        """The index of its node; a column is added to the formula on first use, so that unused ones are not loaded."""
        if self._place is None:
            self._place = self.formula.place("column", self._column)
        return self._place

    @property
    def truth(self) -> bool:
        """Whether it is a boolean instead of a number."""
        return self.formula.nodes[self.at].truth

    def number(self) -> Symbol:
        """Return it as a number; a boolean becomes 1 or 0."""
        return self.formula.make("uitofp", self.at) if self.truth else self

    def __bool__(self) -> bool:
        raise UnfusableError("it applies if, and, or, not to a number: use where, &, |, ~")

    def __pow__(self, exponent: Any) -> Symbol:
        if isinstance(exponent, Symbol | np.generic) or exponent not in (2, 0.5):
            raise UnfusableError(
                f"it raises to the power {exponent}: only **2 and **0.5 have the same bits in every engine"
            )
        return self * self if exponent == 2 else np.sqrt(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Symbol:
        if "out" in kwargs:
            raise UnfusableError("it changes an array in place (such as +=): write x = x + y")
        if method != "__call__" or kwargs or ufunc not in FUNCTIONS:
            raise UnfusableError(f"it uses {ufunc.__name__}: use the functions of framework.elementwise")
        return FUNCTIONS[ufunc](self.formula, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Symbol:
        if function is not np.where or kwargs or len(args) != 3:
            raise UnfusableError(f"it uses {function.__name__}: use the functions of framework.elementwise")
        return _where(self.formula, *args)


Function = Callable[..., Symbol]


def _numeric(op: str) -> Function:
    """Return the maker of an operation on numbers; at least one must be a numeric symbol, which sets NumPy's dtype."""

    def make(formula: Formula, *inputs: Any) -> Symbol:
        if all(not isinstance(value, Symbol) or value.truth for value in inputs):
            raise UnfusableError("it computes with booleans (the results of comparisons): use where")
        return formula.make(op, *(formula.operand(value).at for value in inputs))

    return make


def _compare(condition: str) -> Function:
    def make(formula: Formula, x: Any, y: Any) -> Symbol:
        return formula.make(f"fcmp {condition}", formula.operand(x).at, formula.operand(y).at, truth=True)

    return make


def _logical(op: str) -> Function:
    def make(formula: Formula, *inputs: Any) -> Symbol:
        truths = [_as_truth(formula, value) for value in inputs]
        return formula.make(op, *(truth.at for truth in truths), truth=True)

    return make


def _as_truth(formula: Formula, value: Any) -> Symbol:
    if isinstance(value, bool | np.bool):
        return formula.make("truth", bool(value), truth=True)
    if isinstance(value, Symbol) and value.truth:
        return value
    raise UnfusableError("it uses a number where a comparison is expected (where, &, |, ~)")


def _not(formula: Formula, x: Any) -> Symbol:
    true = formula.make("truth", True, truth=True)
    return formula.make("xor", _as_truth(formula, x).at, true.at, truth=True)


def _where(formula: Formula, condition: Any, x: Any, y: Any) -> Symbol:
    if formula.dtype != np.float64 and not (_typed(x) or _typed(y)):
        raise UnfusableError(f"where(…, {x}, {y}) of two Python numbers is float64: one must depend on a parameter")
    chosen = [formula.operand(value).at for value in (x, y)]
    return formula.make("select", _as_truth(formula, condition).at, *chosen)


def _typed(value: Any) -> bool:
    return isinstance(value, Symbol) and not value.truth


def _sign(formula: Formula, x: Any) -> Symbol:
    x = formula.operand(x)
    zero, one = formula.number(0.0), formula.number(1.0)
    return _where(formula, x > zero, one, _where(formula, x < zero, -one, _where(formula, x == zero, zero, x)))


def _extreme(ufunc: np.ufunc, beyond: Function, op: str) -> Function:
    """Return the maker of maximum or minimum, which propagates NaN and chooses between 0 and -0 as NumPy does here."""

    def make(formula: Formula, x: Any, y: Any) -> Symbol:
        x, y = formula.operand(x), formula.operand(y)
        chosen = tie(ufunc, formula.dtype)
        if chosen == "sign":
            return formula.make(op, x.at, y.at)
        larger = _where(formula, beyond(formula, x, y), x, y)
        larger = larger if chosen == "second" else _where(formula, x == y, x, larger)
        unknown = x != x  # true for NaN only; with a constant NaN LLVM needs one instruction for the rest
        return _where(formula, unknown, formula.number(np.nan), larger)

    return make


@functools.cache
def tie(ufunc: np.ufunc, dtype: np.dtype) -> str:
    """Return which of 0 and -0 NumPy's ``ufunc`` returns on this machine: ``"first"``, ``"second"`` or ``"sign"``.

    Raises:
        UnfusableError: the choice is not the same for all elements of an array.
    """
    zeros = np.zeros(TIE_LENGTH, dtype)
    signs = np.signbit(ufunc(-zeros, zeros)), np.signbit(ufunc(zeros, -zeros))
    lower = ufunc is np.minimum
    for taken, expected in {"first": (True, False), "second": (False, True), "sign": (lower, lower)}.items():
        if all((found == wanted).all() for found, wanted in zip(signs, expected, strict=True)):
            return taken
    raise UnfusableError(f"NumPy's {ufunc.__name__} of 0 and -0 is not the same for all elements on this machine")


def _same(formula: Formula, x: Any) -> Symbol:
    return formula.operand(x)


FUNCTIONS: Mapping[np.ufunc, Function] = {
    np.add: _numeric("fadd"),
    np.subtract: _numeric("fsub"),
    np.multiply: _numeric("fmul"),
    np.divide: _numeric("fdiv"),
    np.negative: _numeric("fneg"),
    np.positive: _same,
    np.absolute: _numeric("fabs"),
    np.sqrt: _numeric("sqrt"),
    np.copysign: _numeric("copysign"),
    np.sign: _sign,
    np.maximum: _extreme(np.maximum, _compare("ogt"), "maximum"),
    np.minimum: _extreme(np.minimum, _compare("olt"), "minimum"),
    np.greater: _compare("ogt"),
    np.greater_equal: _compare("oge"),
    np.less: _compare("olt"),
    np.less_equal: _compare("ole"),
    np.equal: _compare("oeq"),
    np.not_equal: _compare("une"),
    np.bitwise_and: _logical("and"),
    np.logical_and: _logical("and"),
    np.bitwise_or: _logical("or"),
    np.logical_or: _logical("or"),
    np.invert: _not,
    np.logical_not: _not,
}
