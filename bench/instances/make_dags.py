"""Random linearised DAGs by family, and the stored instances: `python -m bench.instances.make_dags`.

The families are those of the reference graphs `dag_optimal.json`: layers that read the one before, expressions whose
operands are drawn from anywhere (`global`) or from the last few vertices (`local`), residual blocks (a vertex, one on
the side, their sum), and random graphs by degree and by density. Instances are stored so that results do not hang on a
random number generator; those for more vertices are made on the spot.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

BLOCK_SIZES = (1, 2, 3, 4, 6, 8, 12, 20)
SIZES = (30, 100, 300, 1000)
FOLDER = Path(__file__).parent / "dags"

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


def main() -> None:
    """Write every family, scalar and block, in every size."""
    FOLDER.mkdir(exist_ok=True)
    for n in SIZES:
        for family in FAMILIES:
            for block in (False, True):
                instance = make(family, n, block)
                text = json.dumps(instance, separators=(",", ":"))
                (FOLDER / f"{instance['name']}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
