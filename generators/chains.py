"""Chains of structured elementals: of given structures, and random ones of any structure.

Everything random is a function of a name or a number, drawn by `random.Random`, which draws the same numbers in every
version of Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from scipy.sparse import csr_array

from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import DENSE, PLAIN_STRUCTURES, Block, Structure, from_spec
from chainplan.structures.explicit import Explicit

_SQUARE = ("diagonal", "banded", "triangular", "block_diagonal", "permutation", "coo")
_OTHER = ("block_diagonal", "selection", "coo")


def drawn_pattern(name: str, rows: int, cols: int, density: float) -> csr_array:
    """A random pattern, a function of the name, shape and density alone."""
    draw = Random(name)
    marks = np.fromiter((draw.random() < density for _ in range(rows * cols)), bool, rows * cols)
    found = csr_array(marks.reshape(rows, cols))
    found.sort_indices()
    return csr_array((np.ones(found.nnz, np.int8), found.indices, found.indptr), shape=found.shape)


def structured_chain(sizes: Sequence[int], structures: Sequence[Structure], name: str | None = None) -> Problem:
    """The chain F1, F2, ... of these sizes and structures."""
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    elementals = tuple(
        Elemental(f"F{i + 1}", chain_vertex(i), chain_vertex(i + 1), Block(sizes[i + 1], sizes[i], structure))
        for i, structure in enumerate(structures)
    )
    graph = Graph(vertices, (chain_vertex(0),), (chain_vertex(len(structures)),), elementals)
    return Problem(graph, name=name)


def counted_chain(number: int) -> Problem:
    """The random chain of this number: 3 to 6 factors, sizes 20 to 240, any structure, bands on square factors alone.

    Rectangular bands are counted from above where a chain has nothing but bands and dense factors.
    """
    draw = Random(f"counted-{number}")
    sizes = [draw.randint(20, 240)]
    for _ in range(draw.randint(3, 6)):
        sizes.append(sizes[-1] if draw.random() < 0.5 else draw.randint(20, 240))
    structures = [_structure(draw, rows, cols) for cols, rows in pairwise(sizes)]
    return structured_chain(sizes, structures, f"counted-{number}")


def _structure(draw: Random, rows: int, cols: int) -> Structure:
    """Dense every other time, else any other that fits."""
    word = "dense" if draw.random() < 0.5 else draw.choice(_SQUARE if rows == cols else _OTHER)
    shape = (rows, cols)
    match word:
        case "dense":
            return DENSE
        case "diagonal":
            return PLAIN_STRUCTURES[word]
        case "triangular":
            return PLAIN_STRUCTURES[draw.choice(["lower_triangular", "upper_triangular"])]
        case "banded":
            return from_spec(word, [draw.randint(0, 8), draw.randint(0, 8)], shape, Path())
        case "block_diagonal":
            counts = [b for b in range(2, min(shape) + 1) if rows % b == cols % b == 0]
            if not counts:
                return DENSE
            b = draw.choice(counts)
            return from_spec(word, [b, rows // b, cols // b], shape, Path())
        case "permutation":
            return from_spec(word, draw.sample(range(rows), rows), shape, Path())
        case "selection":
            return from_spec(word, [draw.randrange(cols) for _ in range(rows)], shape, Path())
    density = draw.choice([0.01, 0.03, 0.1, 0.3])
    return Explicit(drawn_pattern(f"coo-{draw.random()}", rows, cols, density))


def mixed_chain(q: int) -> Problem:
    """q factors, dense, diagonal, banded or triangular, each as often as another; sizes 20 to 100."""
    draw = Random(f"mixed chain {q}")
    sizes, structures = [draw.choice((20, 40, 60, 100))], list[Structure]()
    for _ in range(q):
        word = draw.choice(("dense", "diagonal", "banded", "lower_triangular"))
        size = draw.choice((20, 40, 60, 100)) if word == "dense" else sizes[-1]
        sizes.append(size)
        argument = [draw.randint(0, 2), draw.randint(0, 2)] if word == "banded" else None
        structures.append(from_spec(word, argument, (size, sizes[-2]), None))
    return structured_chain(sizes, structures, f"mixed-{q}")


def pattern_chain(count: int, n: int, ends: tuple[int, int]) -> Problem:
    """Patterns of n x n with 5 to 9 entries in each row, diagonals between them, dense factors to the ends.

    `ends` are the columns of the whole Jacobian and its rows.
    """
    sizes, structures = [ends[0], n], list[Structure]([DENSE])
    for i in range(count):
        structures.append(Explicit(_few_per_row(f"pattern {n} {i}", n)))
        if i < count - 1:
            structures.append(PLAIN_STRUCTURES["diagonal"])
    sizes += [n] * (len(structures) - 1)
    return structured_chain([*sizes, ends[1]], [*structures, DENSE], f"{count} patterns of {n}")


def _few_per_row(name: str, n: int) -> csr_array:
    """A random pattern of n x n with 5 to 9 entries in each row, fewer where n is."""
    draw = Random(name)
    rows = [sorted(draw.sample(range(n), min(n, draw.randint(5, 9)))) for _ in range(n)]
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter((column for row in rows for column in row), np.int64, ends[-1])
    return csr_array((np.ones(ends[-1], np.int8), columns, ends), shape=(n, n))
