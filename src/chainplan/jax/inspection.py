"""What chainplan sees of a function: its linearised graph, and how each equation is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from chainplan.jax.call import FlatCall, flattened
from chainplan.jax.edges import JaxEdge
from chainplan.jax.errors import DifferentiationError, NotLinearised
from chainplan.jax.standalone import linearised_call
from chainplan.jax.types import Tree
from chainplan.problem.problem import Problem

ZERO_JACOBIAN_NOTE = (
    "no path leads from the arguments in argnums to a result: the Jacobian is zero. Nothing is left to plan."
)


def _call(f: Callable[..., Tree], args: Sequence[Tree], argnums: int | Sequence[int]) -> FlatCall:
    """Make a call of which only the shapes are used; ones take the place of a `jax.ShapeDtypeStruct`."""

    def value(leaf: Tree) -> Tree:
        return jnp.ones(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf

    return flattened(f, argnums, False, jax.tree.map(value, args), {})


def linearised_graph(f: Callable[..., Tree], *args: Tree, argnums: int | Sequence[int] = 0) -> Problem:
    """Make the linearised DAG of a function at arguments of these shapes, for planning and printing.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate.
    *args : Tree
        Its arguments: arrays, or `jax.ShapeDtypeStruct` in their place.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.

    Returns
    -------
    Problem
        The problem that `chainplan.plan` takes.

    Raises
    ------
    DifferentiationError
        If there is nothing to differentiate: no path leads from the arguments to a result, or an argument is not real.

    Examples
    --------
    >>> problem = linearised_graph(lambda x: jnp.sin(x) * x, jnp.ones(5))
    >>> sorted({e.block.structure.name for e in problem.graph.elementals})
    ['diagonal']
    """
    try:
        problem = linearised_call(_call(f, args, argnums)).problem()
    except NotLinearised as reason:
        raise DifferentiationError(f"the function has no linearised graph: {reason}. Use jax.jacrev.") from None
    if problem is None:
        raise DifferentiationError(ZERO_JACOBIAN_NOTE)
    return problem


def explain(f: Callable[..., Tree], *args: Tree, argnums: int | Sequence[int] = 0) -> str:
    """Write a table of the equations that derivatives pass through.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate.
    *args : Tree
        Its arguments: arrays, or `jax.ShapeDtypeStruct` in their place.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.

    Returns
    -------
    str
        A line for each equation: its primitive, its shape, the structures of its elemental Jacobians or that they are
        matrix-free, and where it stands in the source.

    Examples
    --------
    >>> print(explain(lambda x: jnp.cumsum(jnp.sin(x)), jnp.ones(5)).splitlines()[1].split()[:3])
    ['sin', '5', 'diagonal']
    """
    try:
        linearised = linearised_call(_call(f, args, argnums))
    except NotLinearised as reason:
        return f"left to jax.jacrev: {reason}"
    if linearised.graph is None:
        return ZERO_JACOBIAN_NOTE
    rows = [("primitive", "shape", "elemental Jacobians", "source")]
    for one in linearised.found:
        shapes = ", ".join("x".join(map(str, a.shape)) or "1" for a in one.equation.outs)
        edges = "; ".join(dict.fromkeys(_described(edge) for _, _, _, edge in one.edges))
        rows.append((one.equation.name, shapes, edges, one.equation.source))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join((*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3])) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _described(edge: JaxEdge) -> str:
    """Say in words what an edge is."""
    if edge.functions is not None:
        modes = [name for name, price in (("tangent", edge.tangent), ("adjoint", edge.adjoint)) if price is not None]
        known = "" if edge.words == "dense" else f"{_structure(edge)} "
        return f"{known}matrix-free ({', '.join(modes)})"
    return _structure(edge)


def _structure(edge: JaxEdge) -> str:
    """Name the structure of an edge, with its argument where that is short."""
    if isinstance(edge.words, str):
        return edge.words
    ((word, argument),) = edge.words.items()
    return f"{word} {argument}" if word in ("replicate", "reduce", "block_diagonal", "kronecker") else str(word)
