"""Scalar programs from SymPy expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.sources.build import built
from chainplan.codegen.straight_line import InputArray
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import ArgumentError, SpecError, missing_extra

if TYPE_CHECKING:
    import sympy

_FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "asin",
    "acos": "acos",
    "atan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "exp": "exp",
    "log": "log",
    "erf": "erf",
    "Abs": "abs",
    "sign": "sign",
    "floor": "floor",
    "atan2": "atan2",
}
"""The functions of SymPy that are operations of scalar programs."""
_SYMPY_COMPARISONS: dict[str, Callable[[Writer, Ref, Ref], Ref]] = {
    "StrictLessThan": lambda w, a, b: w.compare("lt", a, b),
    "LessThan": lambda w, a, b: w.compare("le", a, b),
    "StrictGreaterThan": lambda w, a, b: w.compare("lt", b, a),
    "GreaterThan": lambda w, a, b: w.compare("le", b, a),
    "Equality": lambda w, a, b: w.compare("eq", a, b),
    "Unequality": lambda w, a, b: w.sub(w.ONE, w.compare("eq", a, b)),
}


def from_sympy(expressions: Any, symbols: Sequence[sympy.Symbol], name: str = "function") -> ScalarProgram:
    """Make the scalar program of SymPy expressions.

    Parameters
    ----------
    expressions : Any
        An expression, a matrix, or a sequence of expressions.
    symbols : Sequence[sympy.Symbol]
        The symbols that are its inputs, in this order; they are one input, named `x`.
    name : str
        The name of the program.

    Returns
    -------
    ScalarProgram
        The program, with one output `value` of the shape of the expressions.

    Raises
    ------
    SpecError
        Where SymPy is not installed, or a function has no counterpart.
    ArgumentError
        Where an expression has other symbols.

    Examples
    --------
    >>> import sympy
    >>> from chainplan.codegen import from_sympy
    >>> x, y = sympy.symbols("x y")
    >>> from_sympy([x * y, sympy.sin(x * y)], [x, y]).operations
    2
    """
    try:
        import sympy
    except ImportError:
        raise SpecError(missing_extra("from_sympy", "SymPy", "codegen")) from None
    shape: tuple[int, ...]
    if isinstance(expressions, sympy.Basic) and not isinstance(expressions, sympy.MatrixBase | sympy.NDimArray):
        flat, shape = [expressions], ()
    elif isinstance(expressions, sympy.MatrixBase):
        shape = expressions.shape if expressions.shape[1] != 1 else (expressions.shape[0],)
        flat = list(expressions)
    else:
        array = np.array(expressions, object)
        flat, shape = [sympy.sympify(e) for e in array.flat], array.shape
    writer = Writer()
    known = {symbol: writer.input(k) for k, symbol in enumerate(symbols)}
    walk = _Walk(writer, dict(known))
    refs = np.array([walk.ref(e) for e in flat], np.int64).reshape(shape)
    return built(name, writer, (InputArray("x", (len(known),)),), [("value", refs)])


class _Walk:
    """Writes expressions; each is written once."""

    def __init__(self, writer: Writer, known: dict[Any, Ref]) -> None:
        self.writer = writer
        self.known = known

    def ref(self, expression: Any) -> Ref:
        """Write an expression, its arguments first; without recursion, as expressions may be deep."""
        stack = [expression]
        while stack:
            one = stack[-1]
            if one in self.known:
                stack.pop()
                continue
            missing = [a for a in self._arguments(one) if a not in self.known]
            if missing:
                stack += missing
            else:
                self.known[one] = self._written(one)
                stack.pop()
        return self.known[expression]

    def _arguments(self, e: Any) -> Iterable[Any]:
        if e.is_Number or e.is_NumberSymbol:
            return ()
        if e.func.__name__ == "Piecewise":
            return [a for value, condition in e.args for a in (value, condition)]
        if e.is_Pow and e.exp.is_Number:
            return (e.base,)
        return e.args  # type: ignore[no-any-return]

    def _written(self, e: Any) -> Ref:
        w, name = self.writer, e.func.__name__
        if e.is_Number or e.is_NumberSymbol:
            return w.constant(float(e))
        if e.is_Symbol:
            known = ", ".join(map(str, self.known))
            raise ArgumentError(f"expressions: found the symbol {e}; expected {known} alone. Name it in symbols.")
        if name in ("BooleanTrue", "BooleanFalse"):
            return w.ONE if name == "BooleanTrue" else w.ZERO
        if name == "Pow" and e.exp.is_Number:
            return w.pow(self.known[e.base], w.constant(float(e.exp)))
        if name == "Piecewise":
            made = w.constant(float("nan"))
            for value, condition in reversed(e.args):
                made = w.select(self.known[condition], self.known[value], made)
            return made
        return self._applied(e, name, [self.known[a] for a in e.args])

    def _applied(self, e: Any, name: str, refs: list[Ref]) -> Ref:
        """Write an operation on references."""
        w = self.writer
        if name == "Add":
            return w.total(refs)
        if name == "Pow":
            return w.pow(*refs)
        if name in _SYMPY_COMPARISONS:
            return _SYMPY_COMPARISONS[name](w, *refs)
        made = refs[0] if refs else w.ZERO
        if name in ("Mul", "And", "Min", "Max", "Or"):
            for ref in refs[1:]:
                made = (
                    w.mul(made, ref)
                    if name in ("Mul", "And")
                    else w.least("min" if name == "Min" else "max", made, ref)
                )
            return made
        if name == "Not":
            return w.sub(w.ONE, made)
        if name in ("ceiling", "cot", "sec", "csc"):
            if name == "ceiling":
                return w.neg(w.unary("floor", w.neg(made)))
            return w.recip(w.unary({"cot": "tan", "sec": "cos", "csc": "sin"}[name], made))
        if name in _FUNCTIONS:
            return w.apply(_FUNCTIONS[name], refs)
        raise SpecError(f"expressions: found {name}; expected functions among {', '.join(_FUNCTIONS)}. Rewrite it.")
