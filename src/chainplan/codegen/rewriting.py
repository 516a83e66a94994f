"""Rewrites sums and products so that fewer operations say the same: common factors, and terms that sums share.

Sums of sums and products of products that nothing else uses are taken as one sum or product of many. In a sum, the
factor that most of its products have is taken out: a·x + a·y is a·(x + y). Then the pair of terms that most sums have
becomes a value of its own, which may be part of a pair in turn, and so do pairs of factors. Values change by rounding
alone.

References
----------
M. A. Breuer, "Generation of optimal code for expressions via factorization", Communications of the ACM 12(6), 1969,
section 3: common factors and shared pairs, greedily.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations

from chainplan.codegen.layout import needed
from chainplan.codegen.writer import Ref, Writer

MAX_PAIRED_PARTS = 64
"""The most terms, or factors, of which pairs are compared."""
Pair = tuple[Ref, Ref]


def rewritten(writer: Writer, inputs: int, results: Sequence[Ref]) -> tuple[Writer, list[Ref]]:
    """Return a writer with the rewritten values, and the results in it."""
    parts = _Parts(writer, results)
    parts.factor()
    for kind in ("add", "mul"):
        _SharedPairs(parts, kind).run()
    return parts.written(inputs)


class _Parts:
    """The values that results need, with sums and products of any number of parts; new ones are numbered on."""

    def __init__(self, writer: Writer, results: Sequence[Ref]) -> None:
        self.writer = writer
        self.results = results
        order = needed(writer, results)
        self.nodes = dict.fromkeys(order, ("", [0])) | {
            n: (writer.nodes[n][0], list(writer.nodes[n][1])) for n in order
        }
        self.next = len(writer.nodes)
        self.uses = self._count(order)
        for number in order:
            name, operands = self.nodes[number]
            if name in ("add", "mul"):
                self.nodes[number] = name, self._merged(name, operands)

    def _count(self, order: Iterable[int]) -> Counter[int]:
        uses = Counter(r >> 1 for r in self.results if r >= 0)
        for number in order:
            name, operands = self.nodes[number]
            if name != "input":
                uses.update(o >> 1 for o in operands if o >= 0)
        return uses

    def _merged(self, name: str, operands: Sequence[Ref]) -> list[Ref]:
        """Put the parts of operands that nothing else uses in their place."""
        merged: list[Ref] = []
        for o in operands:
            inner = self.nodes.get(o >> 1) if o >= 0 else None
            if inner is not None and inner[0] == name and self.uses[o >> 1] == 1:
                merged += [part ^ (o & 1) for part in inner[1]] if name == "add" else inner[1]
            else:
                merged.append(o)
        return merged

    def new(self, name: str, operands: list[Ref]) -> Ref:
        """Make a value."""
        self.nodes[self.next] = name, operands
        self.next += 1
        return 2 * (self.next - 1)

    def live(self) -> list[int]:
        """Return the values that the results need, each behind its parts."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [(r >> 1, False) for r in reversed(self.results) if r >= 0]
        while stack:
            number, done = stack.pop()
            if done:
                order.append(number)
            elif number not in seen:
                seen.add(number)
                stack.append((number, True))
                name, operands = self.nodes[number]
                if name != "input":
                    stack += [(o >> 1, False) for o in reversed(operands) if o >= 0 and o >> 1 not in seen]
        return order

    def factor(self) -> None:
        """Take common factors out of all sums."""
        for number in self.live():
            name, terms = self.nodes[number]
            if name == "add" and len(terms) > 1:
                self.nodes[number] = name, self._factored(terms)

    def _factored(self, terms: list[Ref]) -> list[Ref]:
        """Take the factor that most terms have out, until no two have one in common."""
        while True:
            holders: dict[Ref, list[Ref]] = defaultdict(list)
            for t in terms:
                for f in dict.fromkeys(self._factors(t)):
                    holders[f].append(t)
            best = max(holders, key=lambda f: len(holders[f]), default=None)
            if best is None or len(holders[best]) < 2:
                return terms
            held = holders[best]
            inner = [self._without(t, best) for t in held]
            rest = [t for t in terms if t not in held]
            total = self.new("add", self._factored(inner))
            self.uses[total >> 1] = 1
            product = self.new("mul", [best, total])
            self.uses[product >> 1] = 1
            if not rest:
                return [product]
            terms = [*rest, product]

    def _factors(self, t: Ref) -> list[Ref]:
        """Return the factors of a term that is a product and nothing else uses."""
        if t < 0 or self.uses[t >> 1] != 1:
            return []
        name, operands = self.nodes[t >> 1]
        return operands if name == "mul" else []

    def _without(self, t: Ref, factor: Ref) -> Ref:
        """Return a term divided by one of its factors."""
        left = list(self.nodes[t >> 1][1])
        left.remove(factor)
        if len(left) == 1:
            return left[0] ^ (t & 1)
        made = self.new("mul", left)
        self.uses[made >> 1] = 1
        return made ^ (t & 1)

    def written(self, inputs: int) -> tuple[Writer, list[Ref]]:
        """Write all values anew."""
        writer = Writer()
        made: dict[int, Ref] = {}
        for k in range(inputs):
            writer.input(k)
        for number in self.live():
            name, operands = self.nodes[number]
            if name == "input":
                made[number] = writer.input(operands[0])
                continue
            refs = [self._in(writer, made, o) for o in operands]
            if name in ("add", "mul"):
                join = writer.add if name == "add" else writer.mul
                total = refs[0]
                for ref in refs[1:]:
                    total = join(total, ref)
                made[number] = total
            else:
                made[number] = writer.apply(name, refs)
        return writer, [self._in(writer, made, r) for r in self.results]

    def _in(self, writer: Writer, made: dict[int, Ref], o: Ref) -> Ref:
        if o < 0:
            return writer.constant(self.writer.number(o))
        return writer.neg(made[o >> 1]) if o & 1 else made[o >> 1]


class _SharedPairs:
    """Makes pairs of parts that several sums, or products, have values of their own."""

    def __init__(self, parts: _Parts, kind: str) -> None:
        self.parts = parts
        self.kind = kind
        self.held: dict[Pair, set[int]] = defaultdict(set)
        self.owners = [
            n for n in parts.live() if parts.nodes[n][0] == kind and 2 <= len(parts.nodes[n][1]) <= MAX_PAIRED_PARTS
        ]
        for owner in self.owners:
            for a, b in combinations(sorted(parts.nodes[owner][1]), 2):
                self.held[self._pair(a, b)].add(owner)

    def _pair(self, a: Ref, b: Ref) -> Pair:
        """Return a pair in ascending order, of two sums that are negatives of each other the same one."""
        if a > b:
            a, b = b, a
        sign = a & 1 if self.kind == "add" else 0
        return a ^ sign, b ^ sign

    def run(self) -> None:
        """Take the pair that most have, until none is shared."""
        heap = [(-len(owners), pair) for pair, owners in self.held.items() if len(owners) > 1]
        heapify(heap)
        while heap:
            count, pair = heappop(heap)
            owners = self.held[pair]
            if len(owners) != -count:
                if len(owners) > 1:
                    heappush(heap, (-len(owners), pair))
                continue
            whole = [owner for owner in owners if len(self.parts.nodes[owner][1]) == 2]
            made = 2 * whole[0] if whole else self.parts.new(self.kind, list(pair))
            changed: set[Pair] = set()
            for owner in sorted(owners):
                if 2 * owner != made:
                    changed |= self._replace(owner, pair, made)
            del self.held[pair]
            for other in changed:
                if len(self.held[other]) > 1:
                    heappush(heap, (-len(self.held[other]), other))

    def _replace(self, owner: int, pair: Pair, made: Ref) -> set[Pair]:
        """Put a value in the place of a pair, and return the pairs that are new."""
        parts = list(self.parts.nodes[owner][1])
        for a, b in combinations(sorted(parts), 2):
            self.held[self._pair(a, b)].discard(owner)
        sign = 0
        if self.kind == "add" and not (pair[0] in parts and pair[1] in parts):
            sign = 1
        first = self.parts.nodes[made >> 1][1]
        turned = int(self.kind == "add" and sorted(first) != sorted(pair))
        parts.remove(pair[0] ^ sign)
        parts.remove(pair[1] ^ sign)
        parts.append(made ^ sign ^ turned)
        self.parts.nodes[owner] = self.kind, parts
        pairs = {self._pair(a, b) for a, b in combinations(sorted(parts), 2)}
        for one in pairs:
            self.held[one].add(owner)
        return pairs
