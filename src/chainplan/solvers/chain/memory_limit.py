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

from heapq import heappop, heappush
from typing import NamedTuple, final

from chainplan.plans.bound import Bound, Status
from chainplan.plans.candidate import Candidate
from chainplan.plans.compressed_sweep import write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.result import Outcome, bounded
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.chain.compressed_intervals import ChainSweeps
from chainplan.solvers.chain.derivation import ChainInterval, not_a_chain, nothing_fits
from chainplan.solvers.chain.hill_valley import MemoryProfile, dominates, merge, single, steps_of, then
from chainplan.solvers.chain.memory_moves import IntervalMove, MoveTable, prices_ahead
from chainplan.solvers.search.search import Search
from chainplan.solvers.search.solver import Solver, not_fma

MAX_LIMITED_CHAIN_LENGTH = 150
"""Elementals of the longest chain that is searched under a limit."""


@final
class ChainMemorySolver(Solver):
    """Exact best-first search over Pareto fronts of cost and memory profile.

    Cost: O(q³) time and memory for q elementals plus the search, which is exponential at worst and mostly negligible.
    Exact: yes, within bracketings and uninterrupted sweeps, under any memory limit, where the colours found are proven
        to be the fewest; an infeasible limit comes with the smallest that would work.
    Refuses: graphs that are not chains; more than 150 elementals; other objectives than fma.
    """

    name = "chain-memory"

    def refuses(self, problem: Problem) -> str | None:
        return not_fma(problem) or not_a_chain(problem, MAX_LIMITED_CHAIN_LENGTH)

    def solve(self, problem: Problem, search: Search) -> Outcome:
        return LimitedChain(problem.graph, search).solve(problem)


class LimitedChain:
    """A chain that is searched under one limit after another; its sweeps are coloured, and its moves listed, once."""

    def __init__(self, graph: Graph, search: Search) -> None:
        self._graph, self._search = graph, search
        self._sweeps = ChainSweeps(graph.chain, FMA, search)
        self._list_moves()

    def _list_moves(self) -> None:
        """List the moves by the sweeps known, and those of the bound where no colours are known to be the fewest."""
        self._table = self._floor = MoveTable(self._graph, self._search, self._sweeps.every)
        if self._sweeps.any:
            floor = MoveTable(self._graph, self._search, self._sweeps.fewest)
            self._floor = self._table if floor.no_better(self._table) else floor

    def solve(self, problem: Problem, smallest: bool = True) -> Outcome:
        """The cheapest plan under the limit of a problem with this graph.

        Where there is none, `smallest` says whether the smallest limit that works is searched for.
        """
        while True:
            attempt = _SearchUnderLimit(self._table, problem.memory)
            best = attempt.run(self._search)
            if best is not None:
                self._search.offer(_write(self._graph, best.profile), best.cost)
            same = self._floor is self._table
            low = best if same else _SearchUnderLimit(self._floor, problem.memory).run(self._search)
            reached = best is not None and low is not None and low.cost == best.cost
            if low is None or reached or not self._sweeps.closer(m.sweep for m in steps_of(low.profile) if m.sweep):
                break
            self._list_moves()
        if best is not None and low is not None:
            candidate = Candidate(_write(self._graph, best.profile), FMA)
            return bounded(candidate, best.cost, Bound(low.cost, self._sweeps.moves))
        needs = _smallest(self._table, min(attempt.refused), self._search) if smallest else None
        if low is None:
            return nothing_fits(problem, needs)
        note = (
            "no plan of the colours found keeps the limit; whether fewer colours are possible is not known. Raise it."
        )
        return Outcome(Status.BUDGET, needs=needs, note=note)


def _smallest(table: MoveTable, low: int, search: Search) -> int:
    """The smallest limit that works, given that none below `low` does.

    A refusal raises `low` to the least that was asked for. The next limit is twice `low` until one works, then halfway.
    """
    high, probe = None, low
    while high is None or low < high:
        attempt = _SearchUnderLimit(table, probe)
        entry = attempt.run(search)
        if entry is None:
            low = min(attempt.refused)
        else:
            high = entry.profile[0][0]
        probe = 2 * low if high is None else (low + high) // 2
    return high


class _FrontEntry(NamedTuple):
    """A way to make an interval; the same move on other entries of its operands makes another entry."""

    cost: int
    profile: MemoryProfile


class _SearchUnderLimit:
    """The search under one limit; `refused` holds the numbers of elements above it that moves and entries needed."""

    def __init__(self, table: MoveTable, limit: int | None) -> None:
        self.limit, self.whole, self._nnz = limit, table.whole, table.nnz
        self.refused = table.above(limit)
        self._moves = table.within(limit)
        self._fronts: dict[ChainInterval, list[_FrontEntry]] = {interval: [] for interval in self._moves}
        self._uses: dict[ChainInterval, list[IntervalMove]] = {interval: [] for interval in self._moves}
        for moves in self._moves.values():
            for move in moves:
                for arg in move.args:
                    self._uses[arg].append(move)
        self._heap: list[tuple[int, int, int, int, IntervalMove, tuple[MemoryProfile, ...]]] = []
        self._pushed = 0

    def run(self, search: Search) -> _FrontEntry | None:
        """The cheapest way to make the whole chain under the limit, None where there is none."""
        if self.whole not in self._moves:
            return None
        self._ahead = prices_ahead(self._moves, self.whole, search.watch)
        for moves in self._moves.values():
            search.watch()
            for move in moves:
                if not move.args:
                    self._push(move, move.price, ())
        while self._heap:
            search.tick()
            *_, cost, move, args = heappop(self._heap)
            entry = _FrontEntry(cost, _profile(move, self._nnz[move.made], args))
            if not self._keeps(move.made, entry.profile):
                continue
            if move.made == self.whole:
                return entry
            self._fronts[move.made].append(entry)
            self._spread(move.made, entry)
        return None

    def _keeps(self, interval: ChainInterval, profile: MemoryProfile) -> bool:
        """Whether a profile keeps the limit and no earlier entry of its interval can stand in for it."""
        front = self._fronts[interval]
        if self.limit is None:
            return not front
        peak = profile[0][0]
        if peak > self.limit:
            self.refused.add(peak)
            return False
        return not any(dominates(entry.profile, profile) for entry in front)

    def _spread(self, interval: ChainInterval, entry: _FrontEntry) -> None:
        """Push every move that uses the entry, on the other operands known so far."""
        for move in self._uses[interval]:
            if len(move.args) == 1:
                self._push(move, entry.cost + move.price, (entry.profile,))
                continue
            left, right = move.args
            for other in self._fronts[right if left == interval else left]:
                pair = (entry, other) if left == interval else (other, entry)
                self._push(move, entry.cost + other.cost + move.price, (pair[0].profile, pair[1].profile))

    def _push(self, move: IntervalMove, cost: int, args: tuple[MemoryProfile, ...]) -> None:
        """Push a move by its cost and the least cost after it; ties go to longer intervals, then to earlier pushes."""
        start, end = move.made
        self._pushed += 1
        heappush(self._heap, (cost + self._ahead[move.made], start - end, self._pushed, cost, move, args))


def _profile(move: IntervalMove, size: int, args: tuple[MemoryProfile, ...]) -> MemoryProfile:
    """The profile of a move on the profiles of its operands."""
    if not args:
        return single(move.hill, size, move)
    return then(args[0] if len(args) == 1 else merge(*args), move.hill, size, move)


def _write(graph: Graph, profile: MemoryProfile) -> Plan:
    """The plan that carries out the steps of a profile in their order."""
    chain, recorder = graph.chain, Recorder(graph)
    held: dict[ChainInterval, int] = {}
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
