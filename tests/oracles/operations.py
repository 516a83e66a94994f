"""Operations of scalar code by brute force: every order of elimination is carried out on single entries, and counted.

Nothing of chainplan is used. An entry is `ONE` where it is known to be 1 or -1, else `ANY`. A product of two entries is
one multiplication unless one of them is `ONE`; whatever meets an entry that is there is one addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

ONE, ANY = "one", "any"
UNITS = ("identity", "negated_identity", "sign")
Entries = dict[tuple[int, int], str]
Edges = dict[tuple[str, str], Entries]


def entries(rows: int, cols: int, structure: str) -> Entries:
    """The entries of a block; all where it is dense, those on the diagonal where it is not."""
    if structure == "dense":
        return {(i, j): ANY for i in range(rows) for j in range(cols)}
    return {(i, i): ONE if structure in UNITS else ANY for i in range(rows)}


def _multiply_onto(held: Entries, left: Entries, right: Entries) -> int:
    """Add the product of two blocks onto a block and count the operations."""
    count = 0
    for (i, k), a in left.items():
        for (k2, j), b in right.items():
            if k == k2:
                count += a is ANY and b is ANY
                count += (i, j) in held
                held[i, j] = ONE if a is b is ONE and (i, j) not in held else ANY
    return count


class OperationsDag:
    """A DAG as a spec of chainplan has it, with explicit blocks that are dense or diagonal."""

    def __init__(self, spec: dict[str, Any]) -> None:
        dag = spec["dag"]
        self.outputs = set(dag["outputs"])
        self.edges: Edges = {}
        self.merges = 0
        useful = _useful(dag["jacobians"], set(dag["inputs"]), self.outputs)
        for jacobian in useful:
            source, target = jacobian["edge"]
            block = entries(dag["sizes"][target], dag["sizes"][source], jacobian.get("structure", "dense"))
            held = self.edges.get((source, target))
            if held is None:
                self.edges[source, target] = block
            else:
                self.merges += len(held.keys() & block.keys())
                both = held.keys() & block.keys()
                self.edges[source, target] = held | block | dict.fromkeys(both, ANY)
        self.middle = sorted({u for u, _ in self.edges} - set(dag["inputs"]))

    def operations(self, order: Sequence[str]) -> int:
        """The operations of one order."""
        edges, count = self.edges, self.merges
        for v in order:
            edges, more = self._eliminated(edges, v)
            count += more
        return count

    def _eliminated(self, edges: Edges, v: str) -> tuple[Edges, int]:
        """The edges without a vertex, and the operations that this takes."""
        into = [u for u, w in edges if w == v]
        out = [w for u, w in edges if u == v]
        gone = {(v, w) for w in out} | (set() if v in self.outputs else {(u, v) for u in into})
        after, count = {ends: block for ends, block in edges.items() if ends not in gone}, 0
        for u in into:
            for w in out:
                held = after[u, w] = dict(after.get((u, w), {}))
                count += _multiply_onto(held, edges[v, w], edges[u, v])
        return after, count

    def least(self) -> int:
        """The fewest operations of any order."""
        return self.merges + self._least(self.edges, frozenset(self.middle))

    def _least(self, edges: Edges, left: frozenset[str]) -> int:
        """The fewest operations of any order of the vertices that are left."""
        ways = ((self._eliminated(edges, v), left - {v}) for v in sorted(left))
        return min((count + self._least(after, rest) for (after, count), rest in ways), default=0)


def _useful(jacobians: Iterable[dict[str, Any]], inputs: set[str], outputs: set[str]) -> list[dict[str, Any]]:
    """The jacobians on paths from an input to an output."""
    listed = list(jacobians)
    after, before = set(inputs), set(outputs)
    for _ in listed:
        after |= {j["edge"][1] for j in listed if j["edge"][0] in after}
        before |= {j["edge"][0] for j in listed if j["edge"][1] in before}
    return [j for j in listed if j["edge"][0] in after and j["edge"][1] in before]
