"""Problems whose Jacobian is multiplied by vectors: chains, modules and graphs, each kind a function of a number."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from random import Random
from typing import Any

from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem, chain_vertex
from chainplan.structures import DENSE, Block, Structure, from_spec


def dense_chain(number: int) -> Problem:
    """A chain of three to eight dense factors, sizes 50 to 1,200, small ones as likely as large ones."""
    rng = Random(f"dense products {number}")
    sizes = [_size(rng, 50, 1200) for _ in range(rng.randint(4, 9))]
    return _chain(f"dense {number}", sizes, [DENSE] * (len(sizes) - 1))


def mixed_chain(number: int) -> Problem:
    """A chain of dense, diagonal, banded, block-diagonal and random sparse factors, sizes 200 to 3,000."""
    rng = Random(f"mixed products {number}")
    sizes, structures = [_size(rng, 200, 3000)], list[Structure]()
    for _ in range(rng.randint(5, 8)):
        word = rng.choice(("dense", "dense", "diagonal", "banded", "block_diagonal", "coo"))
        rows = _size(rng, 20, 3000) if word in ("dense", "coo") else sizes[-1]
        structures.append(_structure(rng, word, rows, sizes[-1]))
        sizes.append(rows)
    return _chain(f"mixed {number}", sizes, structures)


def module_chain(number: int) -> Problem:
    """A chain of modules with tangents and adjoints, and small matrices between them."""
    rng = Random(f"module products {number}")
    sizes = [_size(rng, 100, 800)]
    for i in range(rng.randint(4, 7)):
        sizes.append(_size(rng, 10, 60) if i % 2 else _size(rng, 100, 800))
    free = [i % 2 == 0 for i in range(len(sizes) - 1)]
    return _chain(f"modules {number}", sizes, [DENSE] * (len(sizes) - 1), free)


def residual_graph(number: int) -> Problem:
    """Layers with connections around them, through few hidden units, and a wide layer at the end."""
    rng = Random(f"residual products {number}")
    width, narrow = _size(rng, 200, 800), _size(rng, 5, 40)
    sizes, elementals = {"x0": width}, list[Elemental]()

    def edge(name: str, source: str, target: str, word: str = "dense") -> None:
        rows, cols = sizes[target], sizes[source]
        block = Block(rows, cols, from_spec(word, None, (rows, cols), Path()))
        elementals.append(Elemental(name, source, target, block))

    layers = rng.randint(2, 4)
    for i in range(1, layers + 1):
        sizes |= {f"h{i}": narrow, f"s{i}": narrow, f"x{i}": width}
        edge(f"in{i}", f"x{i - 1}", f"h{i}")
        edge(f"slope{i}", f"h{i}", f"s{i}", "diagonal")
        edge(f"out{i}", f"s{i}", f"x{i}")
        edge(f"around{i}", f"x{i - 1}", f"x{i}", "identity")
    sizes["y"] = width
    edge("last", f"x{layers}", "y")
    return Problem(Graph(sizes, ("x0",), ("y",), tuple(elementals)), name=f"residual {number}")


def _size(rng: Random, least: int, most: int) -> int:
    size: float = least * (most / least) ** rng.random()
    return round(size)


def _structure(rng: Random, word: str, rows: int, cols: int) -> Structure:
    argument: Any = None
    if word == "banded":
        argument = [rng.randint(0, 3), rng.randint(0, 3)]
    elif word == "block_diagonal":
        argument = [count := rng.choice([d for d in range(1, rows + 1) if rows % d == 0]), rows // count, cols // count]
    elif word == "coo":
        places = {(i, rng.randrange(cols)) for i in range(rows) for _ in range(5)}
        argument = [list(place) for place in sorted(places)]
    return from_spec(word, argument, (rows, cols), Path())


def _chain(name: str, sizes: list[int], structures: list[Structure], free: list[bool] | None = None) -> Problem:
    """Make a chain; a matrix-free elemental takes a multiply-add per entry in both modes."""
    vertices = {chain_vertex(i): size for i, size in enumerate(sizes)}
    elementals = []
    for i, structure in enumerate(structures):
        block = Block(sizes[i + 1], sizes[i], structure)
        price = prod(block[:2]) if free and free[i] else None
        elementals.append(Elemental(f"F{i + 1}", chain_vertex(i), chain_vertex(i + 1), block, price, price))
    ends = (chain_vertex(0),), (chain_vertex(len(structures)),)
    return Problem(Graph(vertices, *ends, tuple(elementals)), name=name)


KINDS: tuple[Callable[[int], Problem], ...] = (dense_chain, mixed_chain, module_chain, residual_graph)
"""The kinds of problems, each a function of a number from 1."""
