"""The steps of a plan in another order, so that less is alive at once; what they compute and cost stays the same.

Finding the order of least peak is NP-hard on graphs (Sethi 1975, "Complete register allocation problems"), so this is a
search: depth-first orders from the outputs (Liu 1987 is exact for trees), orders that always take the ready step that
frees most or holds least, then single steps moved earlier or later. Loads are no steps of their own here: they stand
before their first use wherever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush

from chainplan.plans.liveness import evaluates, tape_spans
from chainplan.plans.replay import replay
from chainplan.plans.steps import Application, Load, Plan, Step
from chainplan.problem.graph import Graph, Mode

LARGEST = 3000
"""Steps of the longest plan whose steps are moved one by one."""
NEAR = 60
"""Steps on either side of a peak, in all, that are moved."""
MOVES = 400
"""Positions that are tried in a search."""


def reordered(plan: Plan, limit: int | None = None, going: Callable[[], bool] = lambda: True) -> Plan:
    """The plan of the lowest peak found, or the first that keeps a limit; one that evaluates states stays as it is."""
    best, least = plan, replay(plan).peak
    if evaluates(plan.steps) or (limit is not None and least <= limit):
        return best
    steps = _Steps(plan)
    order = steps.given
    for candidate in steps.orders():
        peak = max(steps.alive(candidate), default=0)
        if peak < least:
            least, order = peak, candidate
        if not going() or (limit is not None and least <= limit):
            return steps.written(order)
    if len(order) <= LARGEST:
        order = steps.improved(order, limit, going)
    return steps.written(order)


class _Steps:
    """The steps of a plan but its loads, what each needs, and what it holds.

    A tape that adjoint steps share is there from the first of them to the last, as a load is; such are numbered on.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, steps = plan, plan.steps
        self.size = [typed.block.nnz for typed in replay(plan).blocks]
        self.args = [tuple(dict.fromkeys(step.operands())) for step in steps]
        self.loads = {p for p, step in enumerate(steps) if isinstance(step, Load)}
        self.given = [p for p in range(len(steps)) if p not in self.loads]
        for name, first, last in tape_spans(steps):
            self._add_tape(name, range(first, last + 1))
        self.users: list[list[int]] = [[] for _ in self.size]
        for p in self.given:
            for arg in self.args[p]:
                self.users[arg].append(p)
        self.kept = {output.step for output in plan.outputs}
        self.last = sorted(p for p in self.loads & self.kept if not self.users[p])

    def _add_tape(self, name: str, positions: range) -> None:
        self.loads.add(len(self.size))
        for p in positions:
            step = self.plan.steps[p]
            if isinstance(step, Application) and (step.elemental, step.mode) == (name, Mode.ADJOINT):
                self.args[p] = (*self.args[p], len(self.size))
        self.size.append(self.plan.graph[name].tape)

    def alive(self, order: Sequence[int]) -> list[int]:
        """Elements alive during each step of an order."""
        left = [len(users) for users in self.users]
        held, now, found = set[int](), 0, []
        for p in order:
            for arg in self.args[p]:
                if arg in self.loads and arg not in held:
                    held.add(arg)
                    now += self.size[arg]
            now += self.size[p]
            found.append(now)
            for arg in (*self.args[p], p):
                left[arg] -= arg != p
                if not left[arg] and arg not in self.kept:
                    now -= self.size[arg]
        total = now
        for p in self.last:
            total += self.size[p]
            found.append(total)
        return found

    def orders(self) -> Iterator[list[int]]:
        """Orders worth a look."""
        for largest in (True, False):
            yield self._depth_first(largest)
        for key in (lambda hill, after: (after, hill), lambda hill, after: (hill, after)):
            yield self._ready(key)

    def _depth_first(self, largest: bool) -> list[int]:
        """From each output down: of two operands first that whose own steps hold most, or least."""
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
        """Always the ready step of the lowest key of (what it holds besides, what stays of it)."""
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
        """Move single steps to where they may stand, as long as that lowers the peak or what stands at it."""
        best, tries, moved = self._rank(order), 0, True
        while moved and tries < MOVES:
            moved = False
            alive = self.alive(order)
            top = alive.index(max(alive)) if alive else 0
            where = {p: place for place, p in enumerate(order)}
            for p in sorted(order, key=lambda p: abs(where[p] - top))[:NEAR]:
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
                if moved or tries >= MOVES or not going():
                    break
            if limit is not None and best[0] <= limit:
                break
        return order

    def _rank(self, order: Sequence[int]) -> tuple[int, int]:
        """Peak, and the sum of what is alive over all steps, where two peaks are equal."""
        alive = self.alive(order)
        return max(alive, default=0), sum(alive)

    def written(self, order: Sequence[int]) -> Plan:
        """The plan in an order, loads before their first use, or last where nothing reads them."""
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
        return Plan(self.plan.graph, tuple(steps), outputs)


def peak_floor(graph: Graph) -> int:
    """Elements that every plan holds at some step: all of the Jacobian at its end, or a single elemental before.

    While the block made last is made, all others are alive, and with dense blocks the operands of its last step: two
    factors through some vertex, two summands, or what a tangent or adjoint is applied to.
    """
    blocks = _jacobian(graph)
    total = sum(blocks.values())
    used = set(graph.outputs) & {e.source for e in graph.useful}
    dense = all(e.block.structure.name == "dense" for e in graph.useful) and not used
    extra = min((_operands(graph, *pair) for pair in blocks), default=0) if dense and blocks else 0
    single = 0
    for e in graph.useful:
        if e.explicit:
            single = max(single, e.block.nnz)
        elif e.tangent is None:
            single = max(single, e.tape)
    return max(total + extra, single)


def _jacobian(graph: Graph) -> dict[tuple[str, str], int]:
    """Nonzeros of the Jacobian's blocks, by output and input."""
    from chainplan.structures import Block

    found: dict[tuple[str, str], int] = {}
    for source in graph.inputs:
        held: dict[str, Block] = {}
        for vertex in graph.order:
            for e in graph.into.get(vertex, ()):
                if e.source != source and e.source not in held:
                    continue
                block = e.block if e.source == source else e.block.times(held[e.source])
                held[vertex] = held[vertex].plus(block) if vertex in held else block
        found |= {(output, source): held[output].nnz for output in graph.outputs if output in held}
    return found


def _operands(graph: Graph, output: str, source: str) -> int:
    """The least that the operands of the last step of a dense block hold, 0 where it may be an elemental itself."""
    after = _reached(source, {v: [e.target for e in edges] for v, edges in graph.out_of.items()})
    before = _reached(output, {v: [e.source for e in edges] for v, edges in graph.into.items()})
    rows, cols, sizes = graph.sizes[output], graph.sizes[source], graph.sizes
    direct = [e for e in graph.into.get(output, ()) if e.source == source]
    through = (after & before) - {output, source}
    if direct and not through:
        return 0
    explicit = all(e.explicit for e in graph.useful)
    factors = (sizes[v] * (rows + cols if explicit else min(rows, cols)) for v in through)
    return min([*factors, 2 * rows * cols])


def _reached(start: str, edges: dict[str, list[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for v in edges.get(todo.pop(), ()):
            if v not in seen:
                seen.add(v)
                todo.append(v)
    return seen
