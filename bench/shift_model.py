"""A model of lags and leads: composed of coefficients by a plan, by dictionaries of shifts, and by sparse arrays.

The graph is that of `bench.block_model`, 28 vertices and 73 blocks of 300 periods; two thirds of the blocks are of the
same period, the others have a lag or a lead as well. By dictionaries is forward order in the way of the field's toolkit
for series without end: {(offset, missing first entries): coefficient}, whose products follow the rule of Auclert,
Bardóczy, Rognlie & Straub, Econometrica 89 (2021), proposition 2. Its last rows differ from those of matrices and are
not compared. Results stay as they are held. `python -m bench.shift_model` prints the table, on one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

import chainplan
from bench.block_model import block_model, by_hand
from bench.modules import least_milliseconds

Shifted = dict[tuple[int, int], float]
"""The coefficient of each offset without so many of its first entries."""


def shift_model(size: int = 300, seed: int = 0) -> tuple[dict[Any, Any], list[str], list[str]]:
    """The blocks of a model of lags and leads by their places, its inputs and its outputs."""
    places, inputs, outputs = block_model(size=2)
    draw = Random(seed)
    blocks = {}
    for place in places:
        shifts = {0: draw.uniform(0.1, 0.5)}
        if draw.random() < 1 / 3:
            shifts[draw.choice((-1, 1))] = draw.uniform(-0.3, 0.3)
        blocks[place] = chainplan.ShiftsBlock(shifts, size)
    return blocks, inputs, outputs


def of_basis(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """The product of two shifts of series without end."""
    (i, m), (j, n) = left, right
    k = i + j
    if i >= 0:
        return (k, max(m, n - i)) if j >= 0 else (k, max(m, n - k)) if k >= 0 else (k, max(m + k, n))
    return (k, max(m + j, n)) if j <= 0 else (k, max(m, n) + min(-i, j))


def onto(left: Shifted, right: Shifted, total: Shifted) -> Shifted:
    """Add left · right to a sum of shifts."""
    for one, a in left.items():
        for other, b in right.items():
            shift = of_basis(one, other)
            total[shift] = total.get(shift, 0.0) + a * b
    return total


def forward(blocks: dict[Any, Any], starts: list[str], ends: list[str], product: Callable[..., Any]) -> dict[Any, Any]:
    """Total derivatives in forward order; `product` adds left · right onto a sum, which is None at first."""
    into: dict[str, list[tuple[str, Any]]] = {}
    for (output, source), block in blocks.items():
        into.setdefault(output, []).append((source, block))
    found: dict[Any, Any] = {}
    for start in starts:
        reached: dict[str, Any] = {start: None}
        for vertex in sorted(into, key=lambda name: int(name[1:])):
            for source, block in into[vertex]:
                if source in reached:
                    reached[vertex] = product(block, reached[source], reached.get(vertex))
        found |= {(end, start): reached[end] for end in ends if end in reached}
    return found


def by_dictionaries(block: Shifted, reached: Shifted | None, total: Shifted | None) -> Shifted:
    """Add the product of two dictionaries onto a third."""
    return onto(block, {(0, 0): 1.0} if reached is None else reached, {} if total is None else total)


def by_arrays(block: csr_array, reached: csr_array | None, total: csr_array | None) -> csr_array:
    """Add the product of two sparse arrays onto a third."""
    made = block if reached is None else block @ reached
    return made if total is None else total + made


def main(size: int = 300, rounds: int = 30) -> None:
    """Print the milliseconds of each way in its fastest round."""
    blocks, inputs, outputs = shift_model(size)
    total = chainplan.accumulator(blocks, inputs, outputs, dense=False)
    result = total.result
    assert result.plan is not None
    names = {f"{output}/{source}": block for (output, source), block in blocks.items()}
    names = {name: block for name, block in names.items() if name in result.problem.graph}
    dictionaries = {place: {(i, 0): x for i, x in block.coefficients.items()} for place, block in blocks.items()}
    arrays = {place: block.matrix(size, size) for place, block in blocks.items()}
    ways: dict[str, Callable[[], dict[Any, Any]]] = {
        "kernels by hand": by_hand(result.plan, names),
        "accumulator": lambda: total(blocks),
        "dictionaries": lambda: forward(dictionaries, inputs, outputs, by_dictionaries),
        "sparse arrays": lambda: forward(arrays, inputs, outputs, by_arrays),
    }
    _agree(ways["accumulator"](), ways["dictionaries"](), ways["sparse arrays"](), size)
    best = least_milliseconds(ways, rounds)
    sys.stdout.write(f"{len(blocks)} blocks of {size} periods, {len(result.problem.graph.useful)} on paths\n")
    for name, milliseconds in best.items():
        sys.stdout.write(f"  {name:16}{milliseconds:9.3f} ms{milliseconds / best['kernels by hand']:8.2f}\n")


def _agree(ours: dict[Any, Any], dictionaries: dict[Any, Any], arrays: dict[Any, Any], size: int) -> None:
    """Refuse results that differ, the last rows of dictionaries aside, which are of series without end."""
    for place, array in arrays.items():
        expected = array.toarray()
        of_plan = ours[place].matrix(size, size).toarray()
        of_dictionary = chainplan.ShiftsBlock(dictionaries[place]).matrix(size, size).toarray()
        rows = size - max(abs(offset) for offset, _ in dictionaries[place])
        same = np.allclose(of_plan, expected, rtol=1e-12, atol=1e-15)
        if not same or not np.allclose(of_dictionary[:rows], expected[:rows], rtol=1e-12, atol=1e-15):
            raise ValueError(f"the ways disagree about {place}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
