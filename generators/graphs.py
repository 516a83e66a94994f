"""Random linearised DAGs by family, and two families of hard ones, as data and as problems.

The families are those of the reference graphs `dag_optimal.json`: layers that read the one before, expressions whose
operands are drawn from anywhere (`global`) or from the last few vertices (`local`), residual blocks (a vertex, one on
the side, their sum), and random graphs by degree and by density. Every graph is a function of its arguments alone:
`random.Random` draws the same numbers in every version of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.problem import Problem
from chainplan.structures import DENSE, PLAIN_STRUCTURES, Block, Identity, NegatedIdentity, Structure
from chainplan.structures.banded import Banded

BLOCK_SIZES = (1, 2, 3, 4, 6, 8, 12, 20)

Sources = dict[int, set[int]]


def layered(rng: Random, n_in: int, n: int, width: int = 3) -> Sources:
    """Layers of `width` vertices, each of which reads one or more of the layer before."""
    result: Sources = {}
    before = list(range(n_in))
    for first in range(n_in, n_in + n, width):
        layer = range(first, min(first + width, n_in + n))
        for v in layer:
            result[v] = set(rng.sample(before, rng.randint(1, min(len(before), 3))))
        before = list(layer)
    return result


def expression(rng: Random, n_in: int, n: int, window: int | None = None) -> Sources:
    """Unary and binary operations on any earlier vertices, or on the last `window` ones."""
    result: Sources = {}
    for v in range(n_in, n_in + n):
        first = 0 if window is None else max(0, v - window)
        result[v] = set(rng.sample(range(first, v), min(v - first, 1 if rng.random() < 0.3 else 2)))
    return result


def residual(rng: Random, n_in: int, n: int) -> Sources:
    """Blocks a -> b, a -> c, b -> c, one behind the other; every input but the first enters at some block."""
    result: Sources = {n_in: {0}}
    for v in range(n_in + 1, n_in + n):
        result[v] = {v - 1} if (v - n_in) % 2 else {v - 1, v - 2}
    for u in range(1, n_in):
        result[rng.randrange(n_in, n_in + n, 2)].add(u)
    return result


def by_degree(rng: Random, n_in: int, n: int, degree: int = 3, window: int = 10) -> Sources:
    """Every vertex reads `degree` of the last `window` vertices."""
    return {v: set(rng.sample(range(max(0, v - window), v), min(v, degree))) for v in range(n_in, n_in + n)}


def by_density(rng: Random, n_in: int, n: int, density: float = 0.6, window: int = 6) -> Sources:
    """Every vertex reads each of the last `window` vertices with probability `density`."""
    result: Sources = {}
    for v in range(n_in, n_in + n):
        near = range(max(0, v - window), v)
        result[v] = {u for u in near if rng.random() < density} or {rng.choice(near)}
    return result


FAMILIES: dict[str, Callable[[Random, int, int], Sources]] = {
    "layered": layered,
    "global": expression,
    "local": lambda rng, n_in, n: expression(rng, n_in, n, window=10),
    "residual": residual,
    "degree": by_degree,
    "density": by_density,
}
"""Every family by name; a new one is one function and one line here."""


def make(family: str, n: int, block: bool, seed: int = 0) -> dict[str, Any]:
    """An instance with n intermediate vertices, 3 inputs and 3 outputs; what no vertex reads, a near one does."""
    rng = Random(f"{family} {n} {block} {seed}")
    n_in, n_out = 3, 3
    sources = FAMILIES[family](rng, n_in, n + n_out)
    outputs = range(n_in + n, n_in + n + n_out)
    edges = {(u, v) for v, found in sources.items() for u in found if u not in outputs}
    for v in outputs:
        if not sources[v] - set(outputs):
            edges.add((n_in + n - 1, v))
    read = {u for u, _ in edges}
    for u in range(n_in + n):
        if u not in read:
            later = range(max(u + 1, n_in), min(u + 12, n_in + n))
            edges.add((u, rng.choice(later) if later else outputs[0]))
    sizes = [rng.choice(BLOCK_SIZES) if block else 1 for _ in range(n_in + n + n_out)]
    return {
        "name": f"{family}_{n}_{'block' if block else 'scalar'}",
        "own": True,
        "family": family,
        "sizes": sizes,
        "inputs": list(range(n_in)),
        "outputs": list(outputs),
        "edges": sorted(edges),
    }


def dag_problem(instance: Mapping[str, Any], units: bool = False) -> Problem:
    """A reference graph: vertices of the sizes given or 1, edges (from, to[, unit]) dense, or unit where marked so."""
    edges = instance["edges"]
    vertices = range(len(instance["sizes"])) if "sizes" in instance else sorted({v for edge in edges for v in edge[:2]})
    sizes = {str(v): instance["sizes"][v] if "sizes" in instance else 1 for v in vertices}
    kinds: dict[int, Structure] = {0: DENSE, 1: Identity(), -1: NegatedIdentity()}
    elementals = []
    for i, (a, b, *unit) in enumerate(edges):
        structure = kinds[unit[0]] if units else DENSE
        elementals.append(Elemental(f"e{i}", str(a), str(b), Block(sizes[str(b)], sizes[str(a)], structure)))
    ends = tuple(map(str, instance["inputs"])), tuple(map(str, instance["outputs"]))
    return Problem(Graph(sizes, *ends, tuple(elementals)), name=instance["name"])


def complete(n: int, block: bool, ends: int = 3) -> Problem:
    """n intermediate vertices, each of which reads all before it; `ends` inputs and outputs."""
    draw, count = Random(f"complete {n} {block}"), n + 2 * ends
    edges = [(u, v) for v in range(ends, count) for u in range(min(v, ends + n))]
    return _graph(f"complete-{n}", draw, count, ends, edges, block)


def wide(n: int, block: bool, ends: int = 40, degree: int = 2, window: int = 400) -> Problem:
    """n intermediate vertices, each of which reads two of the last 400 vertices; `ends` inputs and outputs."""
    draw, count, last = Random(f"wide {n} {block}"), n + 2 * ends, ends + n
    edges = set[tuple[int, int]]()
    for v in range(ends, count):
        near = range(max(0, min(v, last) - window), min(v, last))
        edges |= {(u, v) for u in draw.sample(near, degree)}
    read = {u for u, _ in edges}
    for u in set(range(last)) - read:
        edges.add((u, draw.randrange(max(u + 1, ends), count)))
    return _graph(f"wide-{n}", draw, count, ends, sorted(edges), block)


def _graph(name: str, draw: Random, count: int, ends: int, edges: list[tuple[int, int]], block: bool) -> Problem:
    sizes = [draw.choice(BLOCK_SIZES) if block else 1 for _ in range(count)]
    ins, outs = list(range(ends)), list(range(count - ends, count))
    return dag_problem({"name": name, "sizes": sizes, "inputs": ins, "outputs": outs, "edges": edges})


def with_unit_edges(instance: Mapping[str, Any], share: float) -> dict[str, Any]:
    """The instance with this share of its edges marked ±1; the two ends of such an edge get the same size.

    Which edges these are, and with which sign, is drawn by the name and the edges. All vertices that such edges join
    take the size of the first of them.
    """
    edges, sizes = [tuple(edge[:2]) for edge in instance["edges"]], list(instance["sizes"])
    draw = Random(f"units {instance['name']} {edges}")
    marks = dict.fromkeys(edges, 0) | {e: draw.choice((1, -1)) for e in draw.sample(edges, round(share * len(edges)))}
    first = list(range(len(sizes)))
    for (u, v), mark in marks.items():
        if mark:
            low, high = sorted((first[u], first[v]))
            first = [low if f == high else f for f in first]
    joined = [sizes[f] for f in first]
    return {**instance, "sizes": joined, "edges": [(u, v, mark) for (u, v), mark in marks.items()]}


_ECONOMY: dict[str, str] = {
    "labour": "output 0 0, technology 0 0",
    "marginal_cost": "wage 0 0, technology 0 0",
    "inflation": "marginal_cost dense",
    "nominal_rate": "inflation 0 0, rate_shock 0 0",
    "real_rate": "nominal_rate 1 0, inflation 0 0",
    "capital": "output 0 1, wage 0 1, real_rate 0 1",
    "investment": "capital 1 0",
    "price_of_capital": "capital 1 1, investment 0 1",
    "dividend": "output 0 0, wage 0 0, labour 0 0, investment 0 0",
    "return": "price_of_capital 1 0, dividend 0 0",
    "tax": "return 1 0, labour 0 0, spending 0 0",
    "income": "wage 0 0, labour 0 0, tax 0 0",
    "assets": "return dense, income dense",
    "consumption": "return dense, income dense",
    "asset_market": "assets 0 0, price_of_capital 0 0",
    "goods_market": "consumption 0 0, investment 0 0, spending 0 0, output 0 0",
    "labour_market": "labour 0 0, consumption 0 0, wage 0 0",
}
"""What each path of an economy reads, as a band of so many periods back and ahead, or dense."""


def economics(size: int = 300) -> Problem:
    """A model of an economy over `size` periods: 14 intermediate paths between unknowns and shocks, and three markets.

    It has the form of sequence-space Jacobians (Auclert, Bardóczy, Rognlie & Straub 2021, section 4): what households
    decide and prices that are set ahead depend on all periods, densely; the others on the one before or the next.
    """
    ins, outs = ("output", "wage", "technology", "rate_shock", "spending"), tuple(_ECONOMY)[-3:]
    elementals = []
    for name, reads in _ECONOMY.items():
        for source, *band in map(str.split, reads.split(", ")):
            structure = DENSE if band == ["dense"] else Banded(int(band[0]), int(band[1]))
            elementals.append(Elemental(f"{name}/{source}", source, name, Block(size, size, structure)))
    sizes = dict.fromkeys((*ins, *_ECONOMY), size)
    return Problem(Graph(sizes, ins, outs, tuple(elementals)), name=f"economics-{size}")


def bottleneck_with_skip(target: str) -> Problem:
    """x (100) → h (100) → b (2) → g (100) → y (100), matrix-free at both ends, and a diagonal elemental from x.

    Parameters
    ----------
    target : str
        Where the diagonal elemental ends: y, or g.
    """
    sizes = {"x": 100, "h": 100, "b": 2, "g": 100, "y": 100}
    elementals = (
        Elemental("first", "x", "h", Block(100, 100), tangent=10_000, adjoint=10_000),
        Elemental("in", "h", "b", Block(2, 100)),
        Elemental("out", "b", "g", Block(100, 2)),
        Elemental("last", "g", "y", Block(100, 100), tangent=10_000, adjoint=10_000),
        Elemental("skip", "x", target, Block(100, 100, PLAIN_STRUCTURES["diagonal"])),
    )
    return Problem(Graph(sizes, ("x",), ("y",), elementals), name=f"bottleneck, skip to {target}")
