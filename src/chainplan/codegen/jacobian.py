"""The Jacobian of a scalar program as a scalar program: linearised, eliminated in several orders, the shortest kept.

What counts is the number of operations once equal values are one value and dead ones are gone, because sharing between
the derivatives and the values decides more than the order alone. So every order of the table is written and counted,
and so are orders of the solvers of graphs (`solver_orders`), whose own prices know nothing of that; a local search goes
on from the best of them, with that count as its price. The few shortest are rewritten and laid out, which settles what
signs and quotients cost, and the shortest of these is kept.

Cost: linear in the operations that all orders write, of which there are some dozens. An order that forms too many
products of edges is given up, so that a function of many inputs, whose forward order is hopeless, costs what its
reverse order does; where all orders are given up the derivative is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from sys import maxsize
from typing import NamedTuple, TypeVar

from chainplan._util.gc_pause import uncollected
from chainplan.codegen.asked import AskedJacobian, LaidOut
from chainplan.codegen.layout import operations
from chainplan.codegen.order_search import improved
from chainplan.codegen.orders import ORDERS, followed
from chainplan.codegen.rewriting import rewritten
from chainplan.codegen.scalar_graph import ScalarGraph, TooManyProducts, linearised
from chainplan.codegen.solver_orders import solver_orders
from chainplan.codegen.straight_line import OrderCount, StraightLine
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import SpecError

AnyProgram = TypeVar("AnyProgram", bound=StraightLine)

FINISHED_OPERATIONS = 5_000
"""How many operations the programs that are rewritten and laid out may have together, the shortest first."""
LEAST_FINISHED, MOST_FINISHED = 4, 10
"""How many programs are rewritten and laid out at least, and at most."""
MAX_COMPARED_OPERATIONS = 50_000
"""The most operations of a program of which several are finished; of longer ones the shortest is laid out as it is."""
MAX_EDGE_PRODUCTS = (400_000, 1_200_000)
"""How many products of edges an order may form before it is given up, and how many where all were given up."""

Elimination = Callable[[ScalarGraph], Sequence[int]]


class _Candidate(NamedTuple):
    """An order of elimination, and what it has written: all results, the last of them the nonzeros at `entries`."""

    order: Sequence[int]
    writer: Writer
    results: list[Ref]
    entries: list[int]
    operations: int


def jacobian_program(
    program: AnyProgram, wrt: str | Sequence[str] | None, of: str | Sequence[str] | None, with_value: bool
) -> AnyProgram:
    """Return the program of a Jacobian, as `ScalarProgram.jacobian` describes it."""
    with uncollected():
        return _jacobian(program, AskedJacobian(program, wrt, of, with_value))


def _jacobian(program: AnyProgram, asked: AskedJacobian) -> AnyProgram:
    writer, refs = _rewritten_values(program, asked)
    graph = linearised(writer, [2 * column for column in asked.columns], asked.ends(refs))

    def written(eliminate: Elimination, most: int = maxsize) -> _Candidate:
        own = graph.copy()
        own.left = most
        order = eliminate(own)
        entries = asked.entries(own, refs)
        results = asked.results(refs, entries)
        return _Candidate(order, own.writer, results, list(entries), operations(own.writer, results))

    for most in MAX_EDGE_PRODUCTS:
        made = _within(ORDERS, written, most)
        if made:
            break
    else:
        raise _too_long(program.name, asked)
    best = min(made.values(), key=lambda one: one.operations)
    found = solver_orders(graph, best.order)
    made |= _within({name: partial(followed, order=order) for name, order in found.items()}, written, most)
    best = min(made.values(), key=lambda one: one.operations)
    order = improved(best.order, best.operations, lambda o: written(partial(followed, order=o)).operations)
    made["plan"] = best if order == list(best.order) else written(partial(followed, order=order))
    few = sorted(made, key=lambda name: made[name].operations)[: _finished_count(best.operations)]
    finished = {name: _finished(asked, made[name]) for name in few}
    laid = min(finished.values(), key=lambda one: len(one.lines))
    counts = {
        name: OrderCount(one.operations, len(finished[name].lines) if name in finished else None)
        for name, one in made.items()
    }
    return replace(program, constants=laid.constants, lines=laid.lines, outputs=laid.outputs, counts=counts)


def _within(
    orders: Mapping[str, Elimination], written: Callable[[Elimination, int], _Candidate], most: int
) -> dict[str, _Candidate]:
    """Write by each order that forms no more than so many products."""
    made = {}
    for name, eliminate in orders.items():
        with suppress(TooManyProducts):
            made[name] = written(eliminate, most)
    return made


def _too_long(name: str, asked: AskedJacobian) -> SpecError:
    shape = " x ".join(f"{size:,}" for size in (*asked.shape, len(asked.columns)))
    return SpecError(
        f"{name}: found a derivative of {shape} that takes more than {MAX_EDGE_PRODUCTS[-1]:,} products in each order "
        "of elimination; expected fewer in scalar code. Ask for the value alone, or run it as blocks."
    )


def _finished_count(operations: int) -> int:
    """Say how many programs are rewritten and laid out, where the shortest has so many operations."""
    if operations > MAX_COMPARED_OPERATIONS:
        return 1
    return min(max(FINISHED_OPERATIONS // max(operations, 1), LEAST_FINISHED), MOST_FINISHED)


def _rewritten_values(program: StraightLine, asked: AskedJacobian) -> tuple[Writer, Mapping[int, Ref]]:
    """Write the values that are asked for, and return their references by their numbers in the program."""
    writer = Writer()
    values = program.load(writer, [writer.input(k) for k in range(program.input_size)])
    writer, refs = rewritten(writer, program.input_size, [values[v] for v in asked.values])
    return writer, dict(zip(asked.values, refs, strict=True))


def _finished(asked: AskedJacobian, made: _Candidate) -> LaidOut:
    """Lay out what an order has written, as it is or rewritten, whichever is shorter; long programs as they are."""
    if made.operations > MAX_COMPARED_OPERATIONS:
        return asked.laid_out(made.writer, made.results, made.entries)
    both = ((made.writer, made.results), rewritten(made.writer, asked.inputs, made.results))
    return asked.laid_out(*min(both, key=lambda one: operations(*one)), made.entries)
