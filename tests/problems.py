"""Random problems: chains and DAGs with every structure, matrix-free elementals, zeros, ones and ties."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import DENSE, Block, Identity, NegatedIdentity, Structure
from chainplan.structures import from_spec as structure_of
from chainplan.structures.diagonal import DIAGONAL
from chainplan.structures.scaled_identity import ScaledIdentity
from chainplan.structures.sign import Sign
from generators.graphs import dag_problem as dag_problem
from generators.words import chain_of_letters as chain_of_letters
from tests.structures import any_structure, band_family

SIZES = ((1, 2, 3), (1, 1, 5), (0, 1, 2, 3), (2, 3, 4, 5, 6), (1, 9), (3,))


def chain_problem(
    sizes: Sequence[int],
    structures: Sequence[Structure] | None = None,
    prices: Sequence[tuple[int | None, int | None, int] | None] | None = None,
    memory: int | None = None,
) -> Problem:
    """A chain; `prices` are (tangent, adjoint, tape) of matrix-free elementals and None for explicit ones."""
    elementals = []
    for i in range(len(sizes) - 1):
        tangent, adjoint, tape = (prices[i] if prices else None) or (None, None, 0)
        block = Block(sizes[i + 1], sizes[i], structures[i] if structures else DENSE)
        ends = (chain_vertex(i), chain_vertex(i + 1))
        elementals.append(Elemental(f"F{i + 1}", *ends, block, tangent, adjoint, tape))
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    return Problem(Graph(vertices, (chain_vertex(0),), (chain_vertex(len(sizes) - 1),), tuple(elementals)), memory)


def random_structure(rng: random.Random, rows: int, cols: int, family: bool = True) -> Structure:
    """Any structure that fits a block of rows x cols, dense about half of the time."""
    return band_family(rng, rows, cols) if family or rng.random() < 0.4 else any_structure(rng, rows, cols)


def random_prices(rng: random.Random) -> tuple[int | None, int | None, int] | None:
    """Prices of an elemental: explicit half of the time, else matrix-free in one or both modes."""
    if rng.random() < 0.5:
        return None
    tangent: int | None = rng.randrange(40)
    adjoint: int | None = rng.randrange(40)
    if rng.random() < 0.3:
        tangent, adjoint = rng.choice([(tangent, None), (None, adjoint)])
    return tangent, adjoint, rng.randrange(30)


def random_chain(rng: random.Random, longest: int = 6, kind: str | None = None) -> Problem:
    """A chain that is dense, structured, matrix-free or all at once."""
    kind = kind or rng.choice(["dense", "structured", "matrix-free", "mixed"])
    q = rng.randint(1, longest)
    pool = rng.choice(SIZES)
    sizes = [rng.choice(pool) for _ in range(q + 1)]
    if kind in ("structured", "mixed") and rng.random() < 0.7:
        for i in range(q):
            if rng.random() < 0.6:
                sizes[i + 1] = sizes[i]
    family = rng.random() < 0.4
    structures = [random_structure(rng, sizes[i + 1], sizes[i], family) for i in range(q)]
    prices = [random_prices(rng) for _ in range(q)]
    if kind == "matrix-free":
        prices = [p or (rng.randrange(40), rng.randrange(40), rng.randrange(30)) for p in prices]
    return chain_problem(
        sizes,
        structures if kind in ("structured", "mixed") else None,
        prices if kind in ("matrix-free", "mixed") else None,
    )


def random_letters(rng: random.Random, longest: int = 6) -> tuple[str, dict[str, dict[str, Any]]]:
    """A chain of at most `longest` factors, of which there are up to four; some structured, some matrix-free."""
    n, m, k = rng.randint(1, 5), rng.randint(1, 6), rng.choice((1, 2, 5))
    shapes = [("A", n, n), ("B", n, n), ("C", n, n)][: rng.randint(1, 3)]
    shapes = rng.choice((shapes, [("A", n, m), ("B", m, n), ("C", n, n)]))
    factors = {letter: random_factor(rng, rows, cols) for letter, rows, cols in shapes}
    letters, size, length = "", n, rng.randint(2, longest - 1)
    while len(letters) < length and (fit := [x for x, f in factors.items() if f["shape"][1] == size]):
        letters += rng.choice(fit)
        size = factors[letters[-1]]["shape"][0]
    if rng.random() < 0.3:
        factors["V"] = random_factor(rng, k, size)
        letters += "V"
    return letters, factors


def random_factor(rng: random.Random, rows: int, cols: int) -> dict[str, Any]:
    """A factor as a spec writes it."""
    factor: dict[str, Any] = {"shape": [rows, cols]}
    words: list[Any] = ["dense", "dense", "diagonal", {"banded": [1, 1]}, {"banded": [1, 0]}, "identity"]
    if rows > 2:
        words += ["lower_triangular", {"coo": [[0, 0], [1, 2], [2, 1]]}]
    if rows == cols:
        factor["structure"] = rng.choice(words)
    if rng.random() < 0.35:
        modes = rng.choice((["tangent"], ["adjoint"], ["tangent", "adjoint"]))
        factor |= {mode: rng.randint(1, 2 * rows * cols) for mode in modes}
    return factor


def modules(rng: random.Random, q: int, explicit: float = 0.0) -> Problem:
    """A chain of matrix-free elementals of unlike sizes, some of them explicit: several machines help on most."""
    sizes = [rng.randint(15, 50) for _ in range(q + 1)]
    free = [rng.random() < explicit for _ in range(q)]
    prices = [None if f else (rng.randint(1000, 9000), rng.randint(1000, 9000), 3) for f in free]
    return chain_problem(sizes, prices=prices)


def random_dag(rng: random.Random, most: int = 5, dense: bool = False) -> Problem:
    """A DAG with several inputs and outputs, outputs that are read, parallel edges, dead ends and unused vertices."""
    n_in, n_mid, n_out = rng.randint(1, 3), rng.randint(0, most), rng.randint(1, 3)
    pool = rng.choice(SIZES)
    names = [f"v{i}" for i in range(n_in + n_mid + n_out)]
    sizes = {name: rng.choice(pool) for name in names}
    inputs = tuple(names[:n_in])
    outputs = tuple(rng.sample(names[n_in:], rng.randint(1, min(n_out + 1, n_mid + n_out))))
    elementals: list[Elemental] = []
    matrix_free, family = rng.random() < 0.4, rng.random() < 0.4
    for j in range(n_in, len(names)):
        for i in range(j):
            for _ in range(rng.choice([0, 0, 1, 1, 2] if rng.random() < 0.6 else [0])):
                rows, cols = sizes[names[j]], sizes[names[i]]
                tangent, adjoint, tape = (random_prices(rng) if matrix_free else None) or (None, None, 0)
                block = Block(rows, cols, DENSE if dense else random_structure(rng, rows, cols, family))
                name = f"e{len(elementals)}"
                elementals.append(Elemental(name, names[i], names[j], block, tangent, adjoint, tape))
    return Problem(Graph(sizes, inputs, outputs, tuple(elementals)))


def random_problem(seed: int) -> Problem:
    """A chain or a DAG, a function of the seed alone."""
    rng = random.Random(seed)
    return random_chain(rng) if rng.random() < 0.5 else random_dag(rng)


def busy_dag(rng: random.Random, n: int) -> Problem:
    """A dense DAG of n intermediates without unused vertices, scalar or block; some outputs are read."""
    sizes = [rng.choice(rng.choice([(1,), (1, 2, 3), (2, 5, 9)])) for _ in range(n + 5)]
    edges = []
    for v in range(2, n + 5):
        sources = rng.sample(range(v if v < n + 2 else n + 2), rng.choice([1, 1, 2, 2, 3]) if v > 3 else 1)
        edges += [(u, v) for u in sources]
    outputs = [v for v in range(2, n + 5) if v >= n + 2 or all(u != v for u, _ in edges) or rng.random() < 0.1]
    return dag_problem({"name": "busy", "sizes": sizes, "edges": edges, "inputs": [0, 1], "outputs": outputs})


CLASSED_STRUCTURES = (DENSE, DENSE, Identity(), NegatedIdentity(), Sign(), DIAGONAL, ScaledIdentity())


def classed_dag(seed: int, most: int) -> Problem:
    """A busy DAG whose square blocks are dense, units or other diagonals, with few sizes so that many are square."""
    rng = random.Random(seed)
    problem = busy_dag(rng, 4 + seed % (most - 3))
    names, few = problem.graph.sizes, rng.choice([(1,), (3,), (1, 4), (4, 4, 2), (2, 5, 9)])
    sizes = {v: rng.choice(few) for v in names}
    kinds = rng.sample(CLASSED_STRUCTURES, rng.randint(2, 4))

    def block(e: Elemental) -> Block:
        rows, cols = sizes[e.target], sizes[e.source]
        return Block(rows, cols, rng.choice(kinds) if rows == cols else DENSE)

    elementals = tuple(replace(e, block=block(e)) for e in problem.graph.elementals)
    return Problem(replace(problem.graph, sizes=sizes, elementals=elementals))


def sparse_dag(rng: random.Random, most: int, path: bool = False) -> Problem:
    """A DAG of sparse blocks in a row, half of them matrix-free, with edges that skip some unless it is a path.

    Some of the blocks have a full row and some matrix-free elementals have no adjoints.
    """
    inputs, outputs = (1, 1) if path else (rng.choice([1, 1, 2]), rng.choice([1, 1, 2]))
    last = inputs + rng.randint(1, most)
    names, size = [f"v{i}" for i in range(last + outputs)], rng.randint(3, 5)
    sizes = {v: size if rng.random() < 0.8 else rng.randint(2, 5) for v in names}
    elementals: list[Elemental] = []
    for j in range(inputs, len(names)):
        skips = [i for i in range(min(j, last) - 1) if not path and rng.random() < 0.25]
        for i in (*skips, min(j, last) - 1):
            rows, cols = sizes[names[j]], sizes[names[i]]
            full = rng.choice([-1, -1, 0, rows - 1])
            places = [[a, b] for a in range(rows) for b in range(cols) if a in (full, b) or rng.random() < 0.2]
            listed = structure_of("coo", places, (rows, cols), Path())
            square = [DIAGONAL, Identity()] if rows == cols else [listed]
            structure = rng.choice([DENSE, listed, listed, listed, *square, *square])
            tangent = rng.randrange(1, 40) if rng.random() < 0.5 else None
            adjoint = rng.randrange(1, 40) if tangent and rng.random() < 0.6 else None
            name, block = f"e{len(elementals)}", Block(rows, cols, structure)
            elementals.append(Elemental(name, names[i], names[j], block, tangent, adjoint))
    read = rng.sample(names[inputs:last], not path and rng.random() < 0.2)
    return Problem(Graph(sizes, tuple(names[:inputs]), (*names[last:], *read), tuple(elementals)))
