"""A closer look at the colours of a small pattern: a constraint program for less than the best known price.

Every nonzero is recovered by its column or by its row; two columns may not share a colour where they meet in a row and
one of them recovers its nonzero there, and likewise for rows. The nonzeros of one row that columns recover have
different colours, so there are at least as many colours; these constraints do most of the refuting. On patterns of up
to some sixty nonzeros the program mostly takes milliseconds; CP-SAT's deterministic time limits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, gcd
from typing import TYPE_CHECKING, NamedTuple

from chainplan.colouring.colour import Coloured
from chainplan.colouring.model import UNSEEDED, Colouring
from chainplan.colouring.recovery import entries

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

    from chainplan.colouring.recovery import Pattern

DETERMINISTIC_SECONDS = 0.1
"""Deterministic seconds of the search."""


def closer(pattern: Pattern, tangent: int | None, adjoint: int | None, known: Coloured) -> Coloured:
    """`known`, or a cheaper colouring or a higher bound where a short search gives one."""
    scale = gcd(tangent or 0, adjoint or 0)
    if known.optimal or known.price // scale > 1 << 40:
        return known
    from ortools.sat.python import cp_model

    prices = (tangent or 0) // scale, (adjoint or 0) // scale
    model = _ColouringModel(pattern, prices, (tangent is not None, adjoint is not None), known.price // scale - 1)
    model.program.add(model.price >= -(-known.bound // scale))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = DETERMINISTIC_SECONDS
    solver.parameters.catch_sigint_signal = False
    status = solver.solve(model.program)
    if status == cp_model.INFEASIBLE:
        return replace(known, bound=known.price)
    bound = max(known.bound, min(known.price, scale * ceil(solver.best_objective_bound - 1e-6)))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return replace(known, bound=bound)
    colouring = Colouring.of(*(_solution_colours(side, solver) for side in model.sides))
    price = colouring.price(tangent, adjoint)
    return replace(known, colouring=colouring, price=price, bound=bound, method="constraint program")


class _ColouredSide(NamedTuple):
    """The literals of one side: which colours are in use, and which vertex has which colour."""

    used: list[cp_model.IntVar]
    has: list[list[cp_model.IntVar]]


class _ColouringModel:
    """The program of all direct colourings of a pattern that cost at most `most`."""

    def __init__(self, pattern: Pattern, prices: tuple[int, int], there: tuple[bool, bool], most: int) -> None:
        from ortools.sat.python import cp_model

        self.program = cp_model.CpModel()
        i, j = (line.tolist() for line in entries(pattern))
        self.by_column = [self.program.new_bool_var("") for _ in i]
        self.sides = [
            self._make_side(size, (min(size, most // price) if price else size) if present else 0)
            for size, price, present in zip(pattern.shape[::-1], prices, there, strict=True)
        ]
        self._demand_recovery(j, i, self.by_column, self.sides[0])
        self._demand_recovery(i, j, [one.negated() for one in self.by_column], self.sides[1])
        self.price = sum(price * sum(side.used) for price, side in zip(prices, self.sides, strict=True))
        self.program.add(self.price <= most)
        self.program.minimize(self.price)

    def _make_side(self, vertices: int, colours: int) -> _ColouredSide:
        """Demand that a vertex has at most one colour, one in use, and that the colours in use are the first ones."""
        model = self.program
        side = _ColouredSide(
            [model.new_bool_var("") for _ in range(colours)],
            [[model.new_bool_var("") for _ in range(colours)] for _ in range(vertices)],
        )
        for one, before in zip(side.used[1:], side.used, strict=False):
            model.add_implication(one, before)
        for has in side.has:
            model.add_at_most_one(has)
            for colour, used in zip(has, side.used, strict=True):
                model.add_implication(colour, used)
        return side

    def _demand_recovery(
        self, vertex: list[int], line: list[int], here: Sequence[cp_model.BoolVarT], side: _ColouredSide
    ) -> None:
        """Demand of a nonzero recovered here that its vertex has a colour that no other vertex of its line has."""
        members: dict[int, list[int]] = {}
        for entry, crossed in enumerate(line):
            members.setdefault(crossed, []).append(entry)
        for met in members.values():
            self.program.add(sum(here[entry] for entry in met) <= sum(side.used))
            for entry in met:
                mine = side.has[vertex[entry]]
                self.program.add_bool_or([here[entry].negated(), *mine])
                for other in met:
                    for one, two in zip(mine, side.has[vertex[other]], strict=True) if other != entry else ():
                        self.program.add_bool_or([here[entry].negated(), one.negated(), two.negated()])


def _solution_colours(side: _ColouredSide, solver: cp_model.CpSolver) -> list[int]:
    """The colours of one side in a solution, numbered from 0 without gaps."""
    colours = [next((k for k, one in enumerate(has) if solver.value(one)), UNSEEDED) for has in side.has]
    rank = {colour: k for k, colour in enumerate(sorted(set(colours) - {UNSEEDED}))}
    return [rank.get(colour, UNSEEDED) for colour in colours]
