"""Simulations of modules in a row, some of them matrix-free: a tangent or an adjoint of such a module has a price.

Every module hands a few values on, so that neither forward nor reverse order is cheap, and parameters enter at every
one, so that none of these problems is a chain. The modules of a family differ in what goes around what: nothing
(`parameters`), a controller beside the state (`feedback`), the parameters beside the module and a measurement of every
step (`feedthrough`), a system of linear equations whose matrix depends on the state (`solves`). Every problem is a
function of its family and its number of modules.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import DENSE, Block, Diagonal, Structure, from_spec


class _Sketch:
    """The vertices and elementals of a graph as they are drawn."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.sizes = dict[str, int]()
        self.inputs, self.outputs = list[str](), list[str]()
        self._elementals = list[Elemental]()

    def vertex(self, name: str, least: int, most: int, kind: list[str] | None = None) -> str:
        """Draw the size of a vertex, which goes into the list of inputs or outputs where one is given."""
        self.sizes[name] = self.rng.randint(least, most)
        if kind is not None:
            kind.append(name)
        return name

    def edge(self, source: str, target: str, structure: Structure = DENSE, price: int | None = None) -> None:
        """Add an explicit elemental, or one whose tangents and adjoints have this price."""
        block = Block(self.sizes[target], self.sizes[source], structure)
        self._elementals.append(Elemental(f"{target}/{source}", source, target, block, price, price))

    def free(self, source: str, target: str, least: int, most: int) -> None:
        """Add a matrix-free elemental, whose tangents and adjoints have the same price."""
        self.edge(source, target, price=self.rng.randint(least, most))

    def sparse(self, source: str, target: str, per_row: int, price: int | None = None) -> None:
        """Add a sparse elemental with so many nonzeros per row, matrix-free where it has a price."""
        rows, cols = self.sizes[target], self.sizes[source]
        places = [[i, j] for i in range(rows) for j in sorted(self.rng.sample(range(cols), min(cols, per_row)))]
        self.edge(source, target, from_spec("coo", places, (rows, cols), Path()), price)

    def problem(self, name: str) -> Problem:
        """Return the problem of all that has been drawn."""
        ends = tuple(self.inputs), tuple(self.outputs)
        return Problem(Graph(self.sizes, *ends, tuple(self._elementals)), name=name)


def _parameters(sketch: _Sketch, i: int, state: str) -> str:
    """Add s -> h matrix-free, h -> b narrow, b -> s', with parameters of h."""
    h, b = sketch.vertex(f"h{i}", 20, 60), sketch.vertex(f"b{i}", 2, 6)
    sketch.free(state, h, 1000, 5000)
    sketch.edge(sketch.vertex(f"p{i}", 1, 3, sketch.inputs), h)
    sketch.edge(h, b)
    after = sketch.vertex(f"s{i + 1}", 20, 60)
    if sketch.rng.random() < 0.5:
        sketch.free(b, after, 1000, 5000)
    else:
        sketch.edge(b, after)
    return after


def _feedback(sketch: _Sketch, i: int, state: str) -> str:
    """Add s -> h matrix-free, h -> b narrow, b -> s', and a controller b -> u -> s' with gains as parameters of u."""
    h, b, u = sketch.vertex(f"h{i}", 20, 60), sketch.vertex(f"b{i}", 2, 6), sketch.vertex(f"u{i}", 1, 3)
    sketch.free(state, h, 1000, 5000)
    sketch.edge(h, b)
    sketch.edge(b, u)
    sketch.edge(sketch.vertex(f"p{i}", 2, 6, sketch.inputs), u)
    after = sketch.vertex(f"s{i + 1}", 20, 60)
    sketch.free(b, after, 500, 3000)
    sketch.edge(u, after)
    return after


def _feedthrough(sketch: _Sketch, i: int, state: str) -> str:
    """Add s -> h matrix-free, h -> b narrow, b -> s' matrix-free, parameters of h and s', a measurement of b."""
    h, b = sketch.vertex(f"h{i}", 20, 60), sketch.vertex(f"b{i}", 2, 6)
    p, after = sketch.vertex(f"p{i}", 1, 4, sketch.inputs), sketch.vertex(f"s{i + 1}", 20, 60)
    sketch.free(state, h, 1000, 5000)
    sketch.edge(p, h)
    sketch.edge(h, b)
    sketch.free(b, after, 500, 3000)
    sketch.edge(p, after)
    sketch.edge(b, sketch.vertex(f"o{i}", 1, 2, sketch.outputs))
    return after


def _solves(sketch: _Sketch, i: int, state: str) -> str:
    """Add s -> a -> r sparse, r -> y a solve, y -> c narrow, c -> s'; parameters of a, and a term s -> r."""
    n = sketch.sizes[state]
    a, r = sketch.vertex(f"a{i}", 4 * n, 8 * n), sketch.vertex(f"r{i}", n, n)
    y, c = sketch.vertex(f"y{i}", n, n), sketch.vertex(f"c{i}", 1, 3)
    sketch.sparse(state, a, 1)
    sketch.sparse(sketch.vertex(f"p{i}", 1, 4, sketch.inputs), a, 1)
    sketch.sparse(a, r, 6)
    sketch.edge(state, r, Diagonal())
    sketch.free(r, y, n * n, n * n)
    sketch.edge(y, c)
    after = sketch.vertex(f"s{i + 1}", 15, 30)
    sketch.edge(c, after)
    return after


MODULES: dict[str, Callable[[_Sketch, int, str], str]] = {
    "parameters": _parameters,
    "feedback": _feedback,
    "feedthrough": _feedthrough,
    "solves": _solves,
}
"""Every family by name: what adds module i to a sketch, given the vertex of its state, and returns the next state."""


def simulation(family: str, modules: int) -> Problem:
    """Return the simulation of a family with so many modules."""
    sketch = _Sketch(Random(f"{family} {modules}"))
    state = sketch.vertex("s0", 15, 30, sketch.inputs)
    for i in range(modules):
        state = MODULES[family](sketch, i, state)
    sketch.outputs.append(state)
    return sketch.problem(f"{family}_{modules}")


def patterned(count: int, size: int = 12) -> Problem:
    """Return a graph of `count` matrix-free elementals with listed patterns, no two alike, in layers of three.

    Every vertex has `size` entries and reads two of the layer before, so that each elemental may be accumulated or
    propagated.
    """
    sketch = _Sketch(Random(f"patterned {count} {size}"))
    layer = [sketch.vertex(f"x{i}", size, size, sketch.inputs) for i in range(3)]
    made = 0
    while made < count:
        after = [sketch.vertex(f"v{made + i}", size, size) for i in range(3)]
        for target in after:
            for source in sketch.rng.sample(layer, 2):
                sketch.sparse(source, target, 3, price=sketch.rng.randint(20, 60))
        layer, made = after, made + 6
    sketch.outputs += layer
    return sketch.problem(f"patterned_{count}")
