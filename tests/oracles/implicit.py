"""The Jacobian of a graph with systems, exactly: one linear system for all vertices at once, of rational numbers.

It reads a spec as it is written, and knows neither plans nor elementals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.oracles.rational_solve import rational_solve


def implicit_jacobian(
    dag: Mapping[str, Any], values: Mapping[str, Sequence[Sequence[int]]]
) -> dict[tuple[str, str], list[list[Fraction]]]:
    """Return output, input -> Jacobian, given the block of each edge under `to/from`.

    Every vertex has an equation: an input is itself, an unknown of a system with residuals is where the residual of
    the same entry is zero, and any other vertex is the sum of what enters it.
    """
    sizes, first, total = dag["sizes"], {}, 0
    for vertex, size in sizes.items():
        first[vertex] = total
        total += size
    systems = dag["implicit"] if isinstance(dag["implicit"], list) else [dag["implicit"]]
    unknown_rows: list[int] = []
    residual_rows: list[int] = []
    for system in systems:
        for side, rows in (("unknowns", unknown_rows), ("residuals", residual_rows)):
            if "residuals" in system:
                rows += [first[v] + i for v in system[side] for i in range(sizes[v])]
    equation_of = dict(zip(residual_rows, unknown_rows, strict=True))
    matrix = [[int(i == j and i not in unknown_rows) for j in range(total)] for i in range(total)]
    for edge in dag["jacobians"]:
        source, target = edge["edge"]
        for i, row in enumerate(values[f"{target}/{source}"]):
            for j, entry in enumerate(row):
                place = first[target] + i
                matrix[equation_of.get(place, place)][first[source] + j] -= entry
    columns = [(v, j) for v in dag["inputs"] for j in range(sizes[v])]
    right = [[int(i == first[v] + j) for v, j in columns] for i in range(total)]
    solved = rational_solve(matrix, right)
    return {
        (output, source): [
            [solved[first[output] + i][k] for k, (v, _) in enumerate(columns) if v == source]
            for i in range(sizes[output])
        ]
        for output in dag["outputs"]
        for source in dag["inputs"]
    }
