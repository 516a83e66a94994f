"""Puts the steps of a plan in another order, so that less is alive at once; what they compute and cost stays the same.

Finding the order of least peak is NP-hard on graphs (Sethi 1975, "Complete register allocation problems"), so this is a
heuristic search. It tries depth-first orders from the outputs (Liu 1987 is exact for trees) and orders that always take
the ready step that frees most or holds least; then it moves single steps earlier or later. Loads are not ordered: they
stand before their first use wherever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush

from chainplan._util.digraph import reachable
from chainplan.plans.candidate import Candidate
from chainplan.plans.liveness import evaluates, tape_spans
from chainplan.plans.second_steps import Given, LoadSecond
from chainplan.plans.steps import Again, Application, Load, Plan, Step
from chainplan.problem.graph import Graph, Mode

MAX_REORDERED_STEPS = 3000
"""Steps of the longest plan whose steps are moved one by one."""
STEPS_AROUND_PEAK = 60
"""Steps around a peak, on both sides together, that are moved."""
MAX_REORDER_POSITIONS = 400
"""Moves that a search may try."""


def reordered(candidate: Candidate, limit: int | None = None, going: Callable[[], bool] = lambda: True) -> Candidate:
    """Return the reordered plan of the lowest peak, or the first one that keeps the limit.

    A plan that evaluates states stays as it is, and of a plan for products so do the programs.
    """
    if evaluates(candidate.plan.steps) or candidate.plan.programs or (limit is not None and candidate.fits(limit)):
        return candidate
    steps = _MovableSteps(candidate)
    plan = steps.written(_order(steps, candidate.peak, limit, going))
    return candidate if plan == candidate.plan else Candidate(plan, candidate.cost)


def _order(steps: _MovableSteps, least: int, limit: int | None, going: Callable[[], bool]) -> list[int]:
    """Return the order of the lowest peak, where that of the plan has the peak `least`."""
    order = steps.given
    for other in steps.orders():
        peak = max(steps.alive(other), default=0)
        if peak < least:
            least, order = peak, other
        if not going() or (limit is not None and least <= limit):
            return order
    return steps.improved(order, limit, going) if len(order) <= MAX_REORDERED_STEPS else order


class _MovableSteps:
    """The steps of a plan without its loads, what each needs, and how many elements it holds.

    A tape that adjoint steps share is alive from the first of these steps to the last, as a load is, so tapes are
    numbered after the steps and treated as loads.
    """

    def __init__(self, candidate: Candidate) -> None:
        plan = candidate.plan
        self.plan, steps = plan, plan.steps
        self.size = [
            0 if isinstance(step, Again) else typed.block.nnz
            for step, typed in zip(steps, candidate.replay.blocks, strict=True)
        ]
        self.args: list[tuple[int, ...]] = []
        for step in steps:
            self.args.append(tuple(dict.fromkeys(place for arg in step.operands() for place in self._held_by(arg))))
        self.loads = {p for p, step in enumerate(steps) if isinstance(step, Load | LoadSecond | Given)}
        self.given = [p for p in range(len(steps)) if p not in self.loads]
        for name, first, last in tape_spans(steps):
            self._add_tape(name, range(first, last + 1))
        self.users: list[list[int]] = [[] for _ in self.size]
        for p in self.given:
            for arg in self.args[p]:
                self.users[arg].append(p)
        self.kept = {place for end in plan.ends for place in self._held_by(end)}
        self.last = sorted(p for p in self.loads & self.kept if not self.users[p])

    def _held_by(self, position: int) -> Iterator[int]:
        """Yield a step whose block is read, and before it the step that holds the block where it stands again."""
        if isinstance(self.plan.steps[position], Again):
            yield from self.args[position]
        yield position

    def _add_tape(self, name: str, positions: range) -> None:
        self.loads.add(len(self.size))
        for p in positions:
            step = self.plan.steps[p]
            if isinstance(step, Application) and (step.elemental, step.mode) == (name, Mode.ADJOINT):
                self.args[p] = (*self.args[p], len(self.size))
        self.size.append(self.plan.graph[name].tape)

    def alive(self, order: Sequence[int]) -> list[int]:
        """Return the elements alive during each step of an order."""
        left = [len(users) for users in self.users]
        held, now, alive = set[int](), 0, []
        for p in order:
            for arg in self.args[p]:
                if arg in self.loads and arg not in held:
                    held.add(arg)
                    now += self.size[arg]
            now += self.size[p]
            alive.append(now)
            for arg in (*self.args[p], p):
                left[arg] -= arg != p
                if not left[arg] and arg not in self.kept:
                    now -= self.size[arg]
        total = now
        for p in self.last:
            total += self.size[p]
            alive.append(total)
        return alive

    def orders(self) -> Iterator[list[int]]:
        """Yield the orders that are worth trying."""
        for largest in (True, False):
            yield self._depth_first(largest)
        for key in (lambda hill, after: (after, hill), lambda hill, after: (hill, after)):
            yield self._ready(key)

    def _depth_first(self, largest: bool) -> list[int]:
        """Order depth-first from each output; of two operands the one whose steps hold most, or least, comes first."""
        need = [0] * len(self.size)
        for p in self.given:
            parts = sorted(((need[a], self.size[a]) for a in self.args[p]), key=lambda part: part[1] - part[0])
            base, most = 0, self.size[p] + sum(self.size[a] for a in self.args[p])
            for hill, size in parts:
                most, base = max(most, base + hill), base + size
            need[p] = most
        for p in self.loads:
            need[p] = self.size[p]
        seen, order = set[int](), list[int]()
        roots = sorted(self.kept - self.loads, key=lambda p: (self.size[p] - need[p], p))
        todo = [(p, False) for p in reversed([*roots, *self.given])]
        while todo:
            p, ready = todo.pop()
            if p in seen or p in self.loads:
                continue
            if ready:
                seen.add(p)
                order.append(p)
                continue
            args = sorted(self.args[p], key=lambda a: (self.size[a] - need[a]) if largest else (need[a] - self.size[a]))
            todo += [(p, True), *((a, False) for a in reversed(args))]
        return order

    def _ready(self, key: Callable[[int, int], tuple[int, int]]) -> list[int]:
        """Order by always taking the ready step with the lowest key of (elements it adds, elements that remain)."""
        waiting = {p: sum(a not in self.loads for a in self.args[p]) for p in self.given}
        left, held, order = [len(users) for users in self.users], set[int](), list[int]()

        def rank(p: int) -> tuple[int, int, int]:
            fresh = sum(self.size[a] for a in self.args[p] if a in self.loads and a not in held)
            freed = sum(self.size[a] for a in self.args[p] if left[a] == 1 and a not in self.kept)
            hill = fresh + self.size[p]
            return (*key(hill, fresh + self.size[p] - freed), p)

        heap = [rank(p) for p in self.given if not waiting[p]]
        heap.sort()
        done = set[int]()
        while heap:
            *value, p = heappop(heap)
            if p in done:
                continue
            now = rank(p)
            if (*value, p) != now and heap and now > heap[0]:
                heappush(heap, now)
                continue
            done.add(p)
            order.append(p)
            for a in self.args[p]:
                left[a] -= 1
                if a in self.loads:
                    held.add(a)
            for user in {u for a in self.args[p] for u in self.users[a]} | set(self.users[p]):
                if p in self.args[user]:
                    waiting[user] -= 1
                if not waiting[user] and user not in done:
                    heappush(heap, rank(user))
        return order

    def improved(self, order: list[int], limit: int | None, going: Callable[[], bool]) -> list[int]:
        """Move single steps to other places they may have, as long as that lowers the peak or the sum at equal peak."""
        best, tries, moved = self._rank(order), 0, True
        while moved and tries < MAX_REORDER_POSITIONS:
            moved = False
            alive = self.alive(order)
            top = alive.index(max(alive)) if alive else 0
            where = {p: place for place, p in enumerate(order)}
            for p in sorted(order, key=lambda p: abs(where[p] - top))[:STEPS_AROUND_PEAK]:
                place = where[p]
                low = max((where[a] + 1 for a in self.args[p] if a not in self.loads), default=0)
                high = min((where[u] - 1 for u in self.users[p]), default=len(order) - 1)
                for target in dict.fromkeys((low, high, top, top + 1, top - 1)):
                    if target == place or not low <= target <= high:
                        continue
                    other = [*order[:place], *order[place + 1 :]]
                    other.insert(target, p)
                    tries += 1
                    value = self._rank(other)
                    if value < best:
                        order, best, moved = other, value, True
                        break
                if moved or tries >= MAX_REORDER_POSITIONS or not going():
                    break
            if limit is not None and best[0] <= limit:
                break
        return order

    def _rank(self, order: Sequence[int]) -> tuple[int, int]:
        """Return the peak, and the sum of the elements alive over all steps, which decides between equal peaks."""
        alive = self.alive(order)
        return max(alive, default=0), sum(alive)

    def written(self, order: Sequence[int]) -> Plan:
        """Return the plan in an order; loads stand before their first use, or at the end where nothing reads them."""
        place: dict[int, int] = {}
        steps: list[Step] = []
        for p in (*order, *self.last):
            for arg in (*(a for a in self.args[p] if a in self.loads), *((p,) if p in self.loads else ())):
                if arg not in place and arg < len(self.plan.steps):
                    place[arg] = len(steps)
                    steps.append(self.plan.steps[arg])
            if p not in self.loads:
                place[p] = len(steps)
                steps.append(self.plan.steps[p].renumbered(place))
        outputs = tuple(output._replace(step=place[output.step]) for output in self.plan.outputs)
        seconds = tuple(second._replace(step=place[second.step]) for second in self.plan.second_outputs)
        return Plan(self.plan.graph, tuple(steps), outputs, second_outputs=seconds, second=self.plan.second)


def peak_floor(graph: Graph) -> int:
    """Bound from below the elements that every plan holds at some step.

    At its end a plan holds the whole Jacobian, and before that it holds single elementals. While the last block is
    made, all others are alive, and with dense blocks so are the operands of its last step: two factors through some
    vertex, two summands, or the argument of a tangent or adjoint. Where elementals are equal one block may stand for
    several of these, and only the largest is sure to be held.
    """
    blocks = _jacobian(graph)
    total = max(blocks.values(), default=0) if graph.shares else sum(blocks.values())
    used = set(graph.outputs) & {e.source for e in graph.useful}
    dense = all(e.block.structure.name == "dense" for e in graph.useful) and not used and not graph.shares
    extra = min((_operands(graph, *pair) for pair in blocks), default=0) if dense and blocks else 0
    single = 0
    for e in graph.useful:
        if e.explicit:
            single = max(single, e.block.nnz)
        elif e.tangent is None:
            single = max(single, e.tape)
    return max(total + extra, single)


def _jacobian(graph: Graph) -> dict[tuple[str, str], int]:
    """Count the nonzeros of the Jacobian's blocks, by output and input."""
    from chainplan.structures import Block

    nonzeros: dict[tuple[str, str], int] = {}
    for source in graph.inputs:
        held: dict[str, Block] = {}
        for vertex in graph.order:
            for e in graph.into.get(vertex, ()):
                if e.source != source and e.source not in held:
                    continue
                block = e.block if e.source == source else e.block.times(held[e.source])
                held[vertex] = held[vertex].plus(block) if vertex in held else block
        nonzeros |= {(output, source): held[output].nnz for output in graph.outputs if output in held}
    return nonzeros


def _operands(graph: Graph, output: str, source: str) -> int:
    """Bound the elements of the operands of a dense block's last step, by 0 where the block may be an elemental."""
    after = reachable([source], ((e.source, e.target) for e in graph.useful))
    before = reachable([output], ((e.target, e.source) for e in graph.useful))
    rows, cols, sizes = graph.sizes[output], graph.sizes[source], graph.sizes
    direct = [e for e in graph.into.get(output, ()) if e.source == source]
    through = (after & before) - {output, source}
    if direct and not through:
        return 0
    factors = (sizes[v] * (rows + cols if graph.explicit else min(rows, cols)) for v in through)
    return min([*factors, 2 * rows * cols])
