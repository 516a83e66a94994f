"""What chainplan sees of a function: its linearised graph, and which equation took which path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainplan.jax.apart import linearised_call
from chainplan.jax.edges import Edge
from chainplan.jax.errors import DifferentiationError, NotLinearised
from chainplan.jax.signature import flattened
from chainplan.problem import Problem


def linearised_graph(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] = 0) -> Problem:
    """The linearised DAG of a function at arguments of these shapes, for planning and printing.

    Raises
    ------
    DifferentiationError
        If there is nothing to differentiate: no path leads from the arguments to a result, or an argument is not real.
    """
    try:
        problem = linearised_call(flattened(f, argnums, False, args, {})).problem()
    except NotLinearised as reason:
        raise DifferentiationError(f"the function has no linearised graph: {reason}. Use jax.jacrev.") from None
    if problem is None:
        raise DifferentiationError("no path leads from the arguments in argnums to a result; the Jacobian is zero.")
    return problem


def explain(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] = 0) -> str:
    """A table of the equations that derivatives pass through: primitive, structures or matrix-free, source line."""
    try:
        found = linearised_call(flattened(f, argnums, False, args, {})).found
    except NotLinearised as reason:
        return f"left to jax.jacrev: {reason}"
    rows = [("primitive", "shape", "elemental Jacobians", "source")]
    for one in found:
        shapes = ", ".join("x".join(map(str, a.shape)) or "1" for a in one.equation.outs)
        edges = "; ".join(dict.fromkeys(_described(edge) for _, _, _, edge in one.edges))
        rows.append((one.equation.name, shapes, edges, one.equation.source))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join((*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3])) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _described(edge: Edge) -> str:
    if edge.functions is not None:
        modes = [name for name, price in (("tangent", edge.tangent), ("adjoint", edge.adjoint)) if price is not None]
        known = "" if edge.words == "dense" else f"{_structure(edge)} "
        return f"{known}matrix-free ({', '.join(modes)})"
    return _structure(edge)


def _structure(edge: Edge) -> str:
    if isinstance(edge.words, str):
        return edge.words
    ((word, argument),) = edge.words.items()
    return f"{word} {argument}" if word in ("replicate", "reduce", "block_diagonal", "kronecker") else str(word)
