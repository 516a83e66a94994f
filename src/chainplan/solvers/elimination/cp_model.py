"""Optimal vertex elimination with dense blocks as a constraint model for OR-tools CP-SAT.

An edge matters only while the first of its two ends is eliminated, so the model has no time in it: `into[v][p]` says
that p is a predecessor of v when v is eliminated, `out[v][s]` that s is a successor, and the elimination of v costs
`d_v · Σ d_p into[v][p] · Σ d_s out[v][s]` (Griewank & Walther, *Evaluating Derivatives*, section 9.2), or what
`edge_prices` says of operations. Only vertices that a path through intermediates joins can become neighbours, so only
these pairs have an order variable and only triples along paths have fill.

A vertex that is an output and is read counts as a successor even after its own elimination. It stands in the model
twice: as an intermediate whose weight as a successor is 0, and as a plain output of its size with the same in-edges.

The product of the two sums is one multiplication per vertex: with a variable for every pair of neighbours instead, the
model grows and its proofs take several times as long. Minimum cuts close most of the gap: those of `PAIRS`, which bound
the neighbours of v given whether u goes before or after it, and those of groups, which the caller adds (`demand`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from chainplan.solvers.elimination.bitset_problem import bits, members
from chainplan.solvers.elimination.cp_cuts import MinimumCuts
from chainplan.solvers.elimination.elimination_graph import WorkGraph

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import BoolVarT, CpModel, IntVar, LinearExprT


class ConstraintFamily(Enum):
    """The families of constraints; the tests make models without some of them."""

    EDGES = "an edge of the graph joins its ends when the first of them is eliminated"
    FILL = "eliminating a vertex joins its predecessors to its successors"
    LINKS = "only what is eliminated later is a neighbour"
    CYCLES = "the order has no cycles"
    CUTS = "the neighbours of a vertex weigh at least its minimum cuts; tightens only"
    PAIRS = "minimum cuts, given which of two vertices goes first; tightens only"
    TWINS = "of interchangeable vertices the first goes first; breaks symmetry only"


class EliminationModel:
    """The model of a dense core; `order` reads a solution, `hint` suggests and `fix` demands an order.

    `upper` is the price of a known order, which no solution exceeds. `tick` is called often while the model is made.
    """

    def __init__(
        self,
        cuts: MinimumCuts,
        upper: int | None = None,
        tick: Callable[[], None] = lambda: None,
        without: frozenset[ConstraintFamily] = frozenset(),
    ) -> None:
        from ortools.sat.python import cp_model

        self.core = core = cuts.core
        self.cuts, self.upper, self._tick = cuts, upper, tick
        self.model: CpModel = cp_model.CpModel()
        self.middle = list(members(core.middle))
        self.shadow = {k: len(core.size) + i for i, k in enumerate(members(core.kept))}
        self.first: dict[tuple[int, int], BoolVarT] = {}
        self.into: dict[int, dict[int, IntVar]] = {}
        self.out: dict[int, dict[int, IntVar]] = {}
        self.position: dict[int, IntVar] = {}
        self.target_weight = [0 if i in self.shadow else size for i, size in enumerate(core.size)]
        self.target_weight += [core.size[k] for k in self.shadow]
        self.weights: dict[int, tuple[IntVar, IntVar]] = {}
        self.products: dict[int, IntVar] = {}
        self._variables()
        families: dict[ConstraintFamily, Callable[[], None]] = {
            ConstraintFamily.EDGES: self._edges,
            ConstraintFamily.FILL: self._fill,
            ConstraintFamily.LINKS: self._links,
            ConstraintFamily.CYCLES: self._cycles,
            ConstraintFamily.PAIRS: self._pairs,
            ConstraintFamily.TWINS: self._twins,
        }
        self._prices(ConstraintFamily.CUTS not in without)
        for family, add in families.items():
            if family not in without:
                add()

    def _variables(self) -> None:
        """Make the variables: possible neighbours, positions, and the order of vertices that may become neighbours."""
        model, core = self.model, self.core
        for v in self.middle:
            sources, targets = (members(core.possible_neighbours(step, v)) for step in (core.pred, core.succ))
            self.into[v] = {p: model.new_bool_var(f"{p} into {v}") for p in sources}
            ends = [t for s in targets for t in (s, self.shadow.get(s)) if t is not None]
            self.out[v] = {s: model.new_bool_var(f"{v} out to {s}") for s in ends}
            self.position[v] = model.new_int_var(0, len(self.middle) - 1, f"position of {v}")
        for v in self.middle:
            for u in self.into[v].keys() & self.out.keys():
                literal = model.new_bool_var(f"{u} before {v}")
                self.first[u, v], self.first[v, u] = literal, literal.negated()

    def _edge_literals(self, p: int, s: int) -> list[IntVar]:
        """The variables one of which is true if ever there is an edge (p, s); none if both ends stay."""
        literals = [self.into[s][p]] if s in self.into else []
        return [*literals, self.out[p][s]] if p in self.out else literals

    def _edges(self) -> None:
        for p, targets in enumerate(self.core.succ):
            for s in members(targets):
                for t in (s, self.shadow.get(s)):
                    if t is not None and (literals := self._edge_literals(p, t)):
                        self.model.add_bool_or(literals)

    def _fill(self) -> None:
        for v in self.middle:
            self._tick()
            for p, x in self.into[v].items():
                for s, y in self.out[v].items():
                    if literals := self._edge_literals(p, s):
                        self.model.add_bool_or([x.negated(), y.negated(), *literals])

    def _links(self) -> None:
        for v in self.middle:
            for u, joined in (*self.into[v].items(), *self.out[v].items()):
                if u in self.position:
                    self.model.add_implication(joined, self.first[v, u])

    def _cycles(self) -> None:
        """Forbid every cycle by positions, and cycles of three vertices directly too, which propagates at once."""
        first = self.first
        for (u, v), before in first.items():
            self.model.add(self.position[u] + 1 <= self.position[v]).only_enforce_if(before)
        for u, v, w in combinations(self.middle, 3):
            if (u, v) in first and (v, w) in first and (u, w) in first:
                self.model.add_bool_or([first[u, v], first[v, w], first[w, u]])
                self.model.add_bool_or([first[v, u], first[w, v], first[u, w]])

    def _prices(self, cuts: bool) -> None:
        """Add the weights of the neighbours, their product and the objective; with cuts, bounds and planes below it.

        The plane is that of McCormick (Mathematical Programming 10, 1976): `(in - a)(out - b) >= 0` for lower bounds
        a, b.
        """
        core, model, objective = self.core, self.model, []
        none = (0, 0) if not core.prices.adds else (1, 1)
        least = {v: (self.cuts.least_in(v), self.cuts.least_out(v)) if cuts else none for v in self.middle}
        low = {v: core.prices.weighed(core.size[v], a, b, bool(core.kept >> v & 1)) for v, (a, b) in least.items()}
        floor = sum(low.values())
        for v, (a, b) in least.items():
            room = None if self.upper is None else low[v] + self.upper - floor
            sources = sum(core.size[p] * x for p, x in self.into[v].items())
            targets = sum(self.target_weight[s] * x for s, x in self.out[v].items())
            most = (sum(core.size[p] for p in self.into[v]), sum(self.target_weight[s] for s in self.out[v]))
            into = model.new_int_var(a, _most(most[0], room, core.size[v] * b), f"weight into {v}")
            out = model.new_int_var(b, _most(most[1], room, core.size[v] * a), f"weight out of {v}")
            product = model.new_int_var(a * b, _most(most[0] * most[1], room, core.size[v]), f"product of {v}")
            model.add(into == sources)
            model.add(out == targets)
            model.add_multiplication_equality(product, [into, out])
            if cuts:
                model.add(product >= b * into + a * out - a * b)
            self.weights[v] = (into, out)
            self.products[v] = product
            objective.append(self._price(v))
        if self.upper is not None:
            model.add(sum(objective) <= self.upper)
        model.minimize(sum(objective))

    def _price(self, v: int) -> LinearExprT:
        """The price of a vertex."""
        into, out = self.weights[v]
        kept = bool(self.core.kept >> v & 1)
        price: LinearExprT = self.core.prices.by_product(self.core.size[v], self.products[v], into, out, kept)
        return price

    def _pairs(self) -> None:
        for v, u in self.first:
            self._tick()
            above = u in self.into[v]
            least, weight = (self.cuts.least_in if above else self.cuts.least_out), self.weights[v][not above]
            gone, there = least(v, gone=1 << u), least(v, there=1 << u)
            self.model.add(weight >= there + (gone - there) * self.first[u, v])

    def demand(self, group: int, price: int) -> None:
        """Demand that a group of vertices costs at least a price."""
        self.model.add(sum(self._price(v) for v in members(group)) >= price)

    def _twins(self) -> None:
        for u, v in (pair for group in self._twin_groups() for pair in pairwise(group)):
            self.model.add(self.position[u] + 1 <= self.position[v])
            for w in self.middle:
                if (w, u) in self.first:
                    self.model.add_implication(self.first[w, u], self.first[w, v])

    def _twin_groups(self) -> list[list[int]]:
        """Groups of vertices with the same neighbours and size, all or none an output: two can be exchanged freely."""
        core, groups = self.core, defaultdict(list)
        for v in self.middle:
            groups[core.pred[v], core.succ[v], core.size[v], core.kept >> v & 1].append(v)
        return [group for group in groups.values() if len(group) > 1]

    def _canonical(self, order: Sequence[int]) -> list[int]:
        """The same order with interchangeable vertices sorted."""
        result = list(order)
        for group in self._twin_groups():
            for place, v in zip(sorted(result.index(v) for v in group), group, strict=True):
                result[place] = v
        return result

    def _assignment(self, order: Sequence[int]) -> Iterator[tuple[IntVar, int]]:
        """The values of all decision variables for an order."""
        work, place = WorkGraph(self.core.graph), {v: i for i, v in enumerate(order)}
        for v in order:
            yield self.position[v], place[v]
            into, out = bits(work.into[v]), bits(work.out[v])
            out |= bits(self.shadow[s] for s in work.out[v] if s in self.shadow)
            out &= ~bits(k for k in self.shadow if place[k] < place[v])
            for p, x in self.into[v].items():
                yield x, into >> p & 1
            for s, x in self.out[v].items():
                yield x, out >> s & 1
            for u in self.into[v].keys() & self.position.keys():
                yield self.first[u, v], int(place[u] < place[v])  # type: ignore[misc]
            work.eliminate(v)

    def hint(self, order: Sequence[int]) -> None:
        """Suggest an order from which the search starts."""
        for variable, value in self._assignment(self._canonical(order)):
            self.model.add_hint(variable, value)

    def fix(self, order: Sequence[int]) -> None:
        """Demand an order; the neighbours are left to the constraints."""
        for u, v in combinations(order, 2):
            self.model.add(self.position[u] < self.position[v])
            if (u, v) in self.first:
                self.model.add_bool_or([self.first[u, v]])

    def order(self, value: Callable[[IntVar], int]) -> list[int]:
        """The order of a solution; vertices with the same position, which are never neighbours, stand by number."""
        return sorted(self.middle, key=lambda v: (value(self.position[v]), v))


def _most(most: int, room: int | None, factor: int) -> int:
    """The upper end of a domain, given that a factor times the variable may not exceed `room`."""
    return most if room is None or factor == 0 else min(most, room // factor)
