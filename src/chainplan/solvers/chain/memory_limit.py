"""Cheapest plan of a chain under a memory limit, over all bracketings, modes and orders of the steps.

An interval (i, j) can be made in many ways that differ in cost and in memory profile, and which is best depends on what
else is alive. So each interval keeps a Pareto front of (cost, hill-valley profile), see `hill_valley`: the peak alone
is not enough, because interleaving the two factors of a product can beat making either one first. Sizes 20, 12, 27, 11,
16, 19 (dense, x_0 to x_5) can be multiplied in 821 elements; factor by factor it takes 848.

Fronts of all intervals together would be far too large. They are built best first instead (A* on derivations:
Felzenszwalb & McAllester, "The generalized A* architecture", JAIR 29, 2007, section 4): the entries of all intervals
are taken up in the order of their cost plus the least cost of finishing the Jacobian from there, where each step alone
must keep the limit. That bound never exceeds the truth and never falls along a derivation, so the first entry of the
whole chain is optimal, and an entry that an earlier one of its interval dominates in memory is not needed, because the
earlier one cost no more. Typically the bound is so good that the search looks at little more than one plan.

A heuristic colours the sweeps. Where its colours may not be the fewest, or another mixture of tangents and adjoints may
hold less, the search runs again with sweeps that cost and hold what no colours undercut: its price is a bound on all
plans, and where it finds no plan there is none.

Where no plan keeps the limit, the smallest limit that works is at least the least number of elements that a refused
step or entry asked for, because the search does the same under every limit below that. So this number is tried next,
from the least that every single step of some plan keeps onwards, and it nearly always works; if not, halving finds the
limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import NamedTuple, final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.compressed_sweep import Sweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import Sweeps, peak
from chainplan.solvers.chain.derivation import blocks_of, leaf_options, not_a_chain
from chainplan.solvers.chain.hill_valley import Profile, dominates, merge, single, steps_of, then
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma
from chainplan.structures import Block

LONGEST = 150
"""Elementals of the longest chain that is searched under a limit."""

Interval = tuple[int, int]


@final
class ChainMemory(Solver):
    """Exact best-first search over Pareto fronts of cost and memory profile.

    Cost: O(q³) time and memory for q elementals plus the search, which is exponential at worst and mostly negligible.
    Exact: yes, within bracketings and uninterrupted sweeps, under any memory limit, where the colours found are proven
        to be the fewest; an infeasible limit comes with the smallest that would work.
    Refuses: graphs that are not chains; more than 150 elementals; other objectives than fma.
    """

    name = "chain-memory"

    def refuses(self, problem: Problem) -> str | None:
        return not_fma(problem) or not_a_chain(problem, LONGEST)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        graph, sweeps = problem.graph, Sweeps(problem.graph.chain, FMA, search.in_time)
        while True:
            table = _Table(graph, search, sweeps.every)
            attempt = _Attempt(table, problem.memory)
            best = attempt.run(search)
            if best is not None:
                search.offer(_write(graph, best.profile), best.cost)
            floor = _Table(graph, search, sweeps.fewest) if sweeps.any else table
            low = best if floor.no_better(table) else _Attempt(floor, problem.memory).run(search)
            reached = best is not None and low is not None and low.cost == best.cost
            if low is None or reached or not sweeps.closer(m.sweep for m in steps_of(low.profile) if m.sweep):
                break
        if best is not None and low is not None:
            return bounded(_write(graph, best.profile), best.cost, Bound(low.cost, sweeps.moves))
        needs = _smallest(table, min(attempt.refused), search)
        if low is None:
            return Outcome(Status.INFEASIBLE, needs=needs)
        note = (
            "no plan of the colours found keeps the limit; whether fewer colours are possible is not known. Raise it."
        )
        return Outcome(Status.BUDGET, needs=needs, note=note)


def _smallest(table: _Table, low: int, search: Search) -> int:
    """The smallest limit that works, given that none below `low` does.

    A refusal raises `low` to the least that was asked for. The next limit is twice `low` until one works, then halfway.
    """
    high, probe = None, low
    while high is None or low < high:
        attempt = _Attempt(table, probe)
        entry = attempt.run(search)
        if entry is None:
            low = min(attempt.refused)
        else:
            high = entry.profile[0][0]
        probe = 2 * low if high is None else (low + high) // 2
    return high


class _Move(NamedTuple):
    """A step, or a compressed sweep, that makes an interval from others while `hill` elements are alive."""

    made: Interval
    args: tuple[Interval, ...]
    mode: Mode | None
    hill: int
    price: int
    sweep: Sweep | None = None


class _Entry(NamedTuple):
    """A way to make an interval; the same move on other entries of its operands makes another entry."""

    cost: int
    profile: Profile


Moves = dict[Interval, list[_Move]]


class _Table:
    """The moves into each interval, shorter intervals first, and the floor of each move: no plan with it needs less.

    `sweeps` gives the compressed sweeps of an interval.
    """

    def __init__(self, graph: Graph, search: Search, sweeps: Callable[[int, int], list[Sweep]]) -> None:
        chain = graph.chain
        self.whole = (0, len(chain))
        blocks = blocks_of(chain)
        nnz = {interval: block.nnz for interval, block in blocks.items()}
        self.nnz = nnz
        self.moves: Moves = {}
        for interval in sorted(blocks, key=lambda interval: (interval[1] - interval[0], interval)):
            self.moves[interval] = _moves(chain, blocks, nnz, interval)
            for sweep in sweeps(*interval):
                self.moves[interval].append(_Move(interval, (), None, peak(graph, sweep), sweep.price, sweep))
            search.tick()
        inside = _inside(self.moves, max, _hill)
        outside = _outside(self.moves, max, _hill, inside, self.whole)
        self.floors = {
            interval: [max((outside[interval], m.hill, *[inside[a] for a in m.args])) for m in moves]
            for interval, moves in self.moves.items()
            if interval in outside
        }

    def no_better(self, other: _Table) -> bool:
        """Whether for each sweep of this table the other has one that costs and holds no more."""
        return all(
            any(one.price <= move.price and one.hill <= move.hill for one in other.moves[interval] if one.sweep)
            for interval, moves in self.moves.items()
            for move in moves
            if move.sweep
        )

    def within(self, limit: int | None) -> Moves:
        """The moves whose floor keeps the limit; a plan under the limit has no others."""
        kept: Moves = {}
        for interval, floors in self.floors.items():
            moves = [
                m for m, floor in zip(self.moves[interval], floors, strict=True) if limit is None or floor <= limit
            ]
            if moves:
                kept[interval] = moves
        return kept

    def above(self, limit: int | None) -> set[int]:
        """The floors above a limit."""
        return {f for floors in self.floors.values() for f in floors if limit is not None and f > limit}


class _Attempt:
    """The search under one limit; `refused` holds the numbers of elements above it that moves and entries needed."""

    def __init__(self, table: _Table, limit: int | None) -> None:
        self.limit, self.whole, self._nnz = limit, table.whole, table.nnz
        self.refused = table.above(limit)
        self._moves = table.within(limit)
        self._fronts: dict[Interval, list[_Entry]] = {interval: [] for interval in self._moves}
        self._uses: dict[Interval, list[_Move]] = {interval: [] for interval in self._moves}
        for moves in self._moves.values():
            for move in moves:
                for arg in move.args:
                    self._uses[arg].append(move)
        self._heap: list[tuple[int, int, int, int, _Move, tuple[Profile, ...]]] = []
        self._pushed = 0

    def run(self, search: Search) -> _Entry | None:
        """The cheapest way to make the whole chain under the limit, None where there is none."""
        if self.whole not in self._moves:
            return None
        search.watch()
        inside = _inside(self._moves, sum, _price)
        search.watch()
        self._ahead = _outside(self._moves, sum, _price, inside, self.whole)
        for moves in self._moves.values():
            search.watch()
            for move in moves:
                if not move.args:
                    self._push(move, move.price, ())
        while self._heap:
            search.tick()
            *_, cost, move, args = heappop(self._heap)
            entry = _Entry(cost, _profile(move, self._nnz[move.made], args))
            if not self._keeps(move.made, entry.profile):
                continue
            if move.made == self.whole:
                return entry
            self._fronts[move.made].append(entry)
            self._spread(move.made, entry)
        return None

    def _keeps(self, interval: Interval, profile: Profile) -> bool:
        """Whether a profile keeps the limit and no earlier entry of its interval can stand in for it."""
        front = self._fronts[interval]
        if self.limit is None:
            return not front
        peak = profile[0][0]
        if peak > self.limit:
            self.refused.add(peak)
            return False
        return not any(dominates(entry.profile, profile) for entry in front)

    def _spread(self, interval: Interval, entry: _Entry) -> None:
        """Push every move that uses the entry, on the other operands known so far."""
        for move in self._uses[interval]:
            if len(move.args) == 1:
                self._push(move, entry.cost + move.price, (entry.profile,))
                continue
            left, right = move.args
            for other in self._fronts[right if left == interval else left]:
                pair = (entry, other) if left == interval else (other, entry)
                self._push(move, entry.cost + other.cost + move.price, (pair[0].profile, pair[1].profile))

    def _push(self, move: _Move, cost: int, args: tuple[Profile, ...]) -> None:
        """Push a move by its cost and the least cost after it; ties go to longer intervals, then to earlier pushes."""
        start, end = move.made
        self._pushed += 1
        heappush(self._heap, (cost + self._ahead[move.made], start - end, self._pushed, cost, move, args))


def _moves(
    chain: tuple[Elemental, ...], blocks: dict[Interval, Block], nnz: dict[Interval, int], interval: Interval
) -> list[_Move]:
    """All steps that make an interval: leaves of a single elemental; else a tangent, an adjoint, products by split."""
    i, j = interval
    first, last, size = chain[i], chain[j - 1], nnz[interval]
    if j - i == 1:
        return [
            _Move(interval, (), leaf.mode, size + _tape(first, leaf.mode), price)
            for price, leaf in leaf_options(chain, i)
        ]
    moves = []
    for e, mode, arg in ((last, Mode.TANGENT, (i, j - 1)), (first, Mode.ADJOINT, (i + 1, j))):
        if e.per_vector(mode) is not None:
            hill = nnz[arg] + size + _tape(e, mode)
            moves.append(_Move(interval, (arg,), mode, hill, FMA.propagate(e, blocks[arg], mode)))
    for k in range(i + 1, j):
        left, right = (k, j), (i, k)
        price = FMA.multiply(blocks[left], blocks[right])
        moves.append(_Move(interval, (left, right), None, nnz[left] + nnz[right] + size, price))
    return moves


def _tape(e: Elemental, mode: Mode | None) -> int:
    return e.tape if mode is Mode.ADJOINT else 0


def _hill(move: _Move) -> int:
    return move.hill


def _price(move: _Move) -> int:
    return move.price


def _inside(moves: Moves, join: Callable[[Iterable[int]], int], weight: Callable[[_Move], int]) -> dict[Interval, int]:
    """The least sum (or maximum) of weights of the moves that make each interval."""
    inside: dict[Interval, int] = {}
    for interval, options in moves.items():
        inside[interval] = min(join((weight(m), *[inside[a] for a in m.args])) for m in options)
    return inside


def _outside(
    moves: Moves,
    join: Callable[[Iterable[int]], int],
    weight: Callable[[_Move], int],
    inside: dict[Interval, int],
    whole: Interval,
) -> dict[Interval, int]:
    """The least sum (or maximum) of weights of the moves that lead from each interval to the whole chain."""
    outside = {whole: 0}
    for interval in reversed(moves):
        if interval not in outside:
            continue
        for move in moves[interval]:
            base = join((outside[interval], weight(move)))
            for arg in move.args:
                ahead = join((base, *[inside[other] for other in move.args if other != arg]))
                if arg not in outside or ahead < outside[arg]:
                    outside[arg] = ahead
    return outside


def _profile(move: _Move, size: int, args: tuple[Profile, ...]) -> Profile:
    """The profile of a move on the profiles of its operands."""
    if not args:
        return single(move.hill, size, move)
    return then(args[0] if len(args) == 1 else merge(*args), move.hill, size, move)


def _write(graph: Graph, profile: Profile) -> Plan:
    """The plan that carries out the steps of a profile in their order."""
    chain, recorder = graph.chain, Recorder(graph)
    held: dict[Interval, int] = {}
    for move in steps_of(profile):
        (i, j), args = move.made, [held[arg] for arg in move.args]
        if move.sweep is not None:
            held[i, j] = write_sweep(recorder, move.sweep)
        elif len(args) == 2:
            held[i, j] = recorder.multiply(*args)
        elif move.mode is None:
            held[i, j] = recorder.load(chain[i].name)
        elif args:
            e = chain[j - 1] if move.mode is Mode.TANGENT else chain[i]
            held[i, j] = recorder.propagate(e.name, args[0], move.mode)
        else:
            held[i, j] = recorder.accumulate(chain[i].name, move.mode)
    return recorder.plan([(graph.outputs[0], graph.inputs[0], held[0, len(chain)])])
