"""The steps of a plan, as columns that the script of a page reads.

Long plans are cut: above `MAX_EMBEDDED_STEPS` steps the first, the last and the dearest are on the page with what they
read, each with the cost and the memory at its place in the whole plan, and the page says how many are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from itertools import accumulate
from typing import Any

from chainplan.plans.liveness import last_uses
from chainplan.plans.replay import Replay
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan, Seed, Step
from chainplan.report.html.spy import spy
from chainplan.report.words.figures import label
from chainplan.report.words.steps import step_cells
from chainplan.structures import Block, Dense

MAX_EMBEDDED_STEPS = 20_000
"""Steps of the longest plan that is embedded as a whole."""
EMBEDDED_END_STEPS, EMBEDDED_DEAREST_STEPS = 300, 1000
"""Steps of a longer plan that are embedded: so many from each end, and so many of the dearest."""
_MAX_STEP_SPIES = 200
"""The most patterns that are drawn beside the steps."""


@dataclass(frozen=True)
class EmbeddedSteps:
    """The steps shown, how many there are, and what the script reads of those shown."""

    shown: tuple[int, ...]
    total: int
    columns: dict[str, Any]


def chosen(plan: Plan, replayed: Replay) -> tuple[int, ...]:
    """Choose the steps that are on the page."""
    count = len(replayed.prices)
    if count <= MAX_EMBEDDED_STEPS:
        return tuple(range(count))
    dearest = nlargest(EMBEDDED_DEAREST_STEPS, range(count), key=lambda i: (replayed.prices[i], -i))
    shown = {*range(EMBEDDED_END_STEPS), *range(count - EMBEDDED_END_STEPS, count), *dearest}
    return tuple(sorted(shown.union(*(plan.steps[i].operands() for i in shown))))


def columns(result: Result, vertices: dict[str, int]) -> EmbeddedSteps:
    """Gather the columns of a result that has a plan; vertices are given by their positions."""
    plan, replayed = result.plan, result.priced
    assert plan is not None
    assert replayed is not None
    ids = chosen(plan, replayed)
    words, structures, spies = _WordTable(), _WordTable(), _SpyTable()
    sums, last = list(accumulate(replayed.prices)), last_uses(plan)
    cells = [step_words(plan.steps[i]) for i in ids]
    blocks = [replayed.blocks[i].block for i in ids]
    ends = [_ends(plan, replayed, i, vertices) for i in ids]
    return EmbeddedSteps(
        ids,
        len(plan.steps),
        {
            "id": ids,
            "op": [words.place(op) for op, _ in cells],
            "of": [of for _, of in cells],
            "reads": [plan.steps[i].operands() for i in ids],
            "from": [source for source, _ in ends],
            "to": [target for _, target in ends],
            "rows": [b.rows for b in blocks],
            "cols": [b.cols for b in blocks],
            "structure": [structures.place(label(repr(b.structure), 60)) for b in blocks],
            "spy": [spies.place(b) for b in blocks],
            "price": [replayed.prices[i] for i in ids],
            "sofar": [sums[i] for i in ids],
            "alive": [replayed.alive[i] for i in ids],
            "last": [last[i] for i in ids],
            "ops": words.entries,
            "structures": structures.entries,
            "spies": spies.entries,
        },
    )


def step_words(step: Step) -> tuple[str, str]:
    """(operation, operands), cut to what there is room for."""
    operation, of = step_cells(step)
    return operation, label(of, 80)


def _ends(plan: Plan, replayed: Replay, position: int, vertices: dict[str, int]) -> tuple[int, int]:
    """Find the positions of the ends of a block; the colours of a seed stand at the vertex of the seed."""
    typed = replayed.blocks[position]

    def place(vertex: str) -> int:
        if vertex not in vertices and typed.seed is not None:
            seed = plan.steps[typed.seed]
            return vertices.get(seed.vertex, -1) if isinstance(seed, Seed) else -1
        return vertices.get(vertex, -1)

    return place(typed.source), place(typed.target)


class _WordTable:
    """Different words in the order in which they were placed."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, word: str) -> int:
        if word not in self._places:
            self._places[word] = len(self.entries)
            self.entries.append(word)
        return self._places[word]


class _SpyTable:
    """Different patterns as [columns, rows, path]; dense blocks have none, nor have those beyond `_MAX_STEP_SPIES`."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, str]] = []
        self._places: dict[Any, int] = {}

    def place(self, block: Block) -> int:
        if isinstance(block.structure, Dense):
            return -1
        if block not in self._places:
            if len(self.entries) >= _MAX_STEP_SPIES:
                return -2
            self._places[block] = len(self.entries)
            self.entries.append(spy(block))
        return self._places[block]
