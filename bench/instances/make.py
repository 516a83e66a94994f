"""Writes the chains of this folder: `python -m bench.instances.make [EINSUM_BENCHMARK_FILE]`.

Kept to show where the sizes come from; the files are what counts. Every draw is `random.Random(name)`, seeded by the
name of the instance. The optimum of an instance is what the solvers named in its `proof` agree on: chain-dense always,
chain-dp up to 1,000 factors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from bench.costs import plan_cost
from bench.instances import FOLDER
from bench.planners import plan_chain

PROVEN_TWICE = 1000
COUNTS = {10: 5, 30: 5, 100: 5, 300: 3, 1000: 1, 3000: 1, 10_000: 1}


def uniform(n: int, draw: Random) -> list[int]:
    """Sizes from 1 to 1,000."""
    return [draw.randint(1, 1000) for _ in range(n + 1)]


def bottleneck(n: int, draw: Random) -> list[int]:
    """Sizes from 500 to 1,000, but for one in ten, which is from 1 to 8."""
    narrow = set(draw.sample(range(n + 1), n // 10))
    return [draw.randint(1, 8) if i in narrow else draw.randint(500, 1000) for i in range(n + 1)]


def equal(n: int, draw: Random) -> list[int]:
    """All sizes 64: every order costs (n - 1) · 64³."""
    return [64] * (n + 1)


def monotone(n: int, draw: Random) -> list[int]:
    """Sizes from 1 to 1,000 in decreasing order: reverse order is optimal."""
    return sorted(uniform(n, draw), reverse=True)


def sawtooth(n: int, draw: Random) -> list[int]:
    """Teeth of length 10 that rise from about 10 to about 1,000."""
    return [10 + 110 * (i % 10) + draw.randint(0, 9) for i in range(n + 1)]


def powers(n: int, draw: Random) -> list[int]:
    """Powers of two from 1 to 1,024: many ties."""
    return [1 << draw.randint(0, 10) for _ in range(n + 1)]


def huge(n: int, draw: Random) -> list[int]:
    """Sizes from 1,000,000 to 10,000,000: costs beyond 2^53, where floats are no longer exact."""
    return [draw.randint(10**6, 10**7) for _ in range(n + 1)]


SHAPED = {30: 1, 100: 1, 300: 1}
FAMILIES: dict[str, tuple[Callable[[int, Random], list[int]], dict[int, int]]] = {
    "uniform": (uniform, COUNTS),
    "bottleneck": (bottleneck, SHAPED),
    "equal": (equal, SHAPED),
    "monotone": (monotone, SHAPED),
    "sawtooth": (sawtooth, SHAPED),
    "powers": (powers, SHAPED),
    "huge": (huge, SHAPED),
}


def main() -> None:
    """Write one file per family, and the Einsum Benchmark's two chains where their file is given."""
    for family, (sizes, counts) in FAMILIES.items():
        about = (sizes.__doc__ or "").strip()
        _write(family, about, list(_drawn(family, sizes, counts)))
    if len(sys.argv) > 1:
        given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        _write("einsum_benchmark", given["about"], [_published(e) for e in given["instances"] if e["own"]])


def _drawn(family: str, sizes: Callable[[int, Random], list[int]], counts: dict[int, int]) -> Iterator[dict[str, Any]]:
    for n, count in counts.items():
        for i in range(1, count + 1):
            name = f"{family}-{n}" if count == 1 else f"{family}-{n}-{i}"
            drawn = sizes(n, Random(name))
            yield _entry(name, family, drawn, f"make.py: {sizes.__name__}({n}, Random('{name}'))")


def _published(given: dict[str, Any]) -> dict[str, Any]:
    entry = _entry(given["name"], "einsum_benchmark", given["sizes"], "Einsum Benchmark, NeurIPS 2024 data sets track")
    if entry["optimum"] != given["optimum"]:
        raise ValueError(f"{given['name']}: optimum {entry['optimum']:,}, published {given['optimum']:,}")
    return {**entry, "published": given["best_published_path"]}


def _entry(name: str, family: str, sizes: list[int], provenance: str) -> dict[str, Any]:
    solvers = ["chain-dense", "chain-dp"] if len(sizes) - 1 <= PROVEN_TWICE else ["chain-dense"]
    costs = {plan_cost(sizes, plan_chain(sizes, solver)) for solver in solvers}
    if len(costs) != 1:
        raise ValueError(f"{name}: {' and '.join(solvers)} disagree: {sorted(costs)}")
    print(f"{name}: {min(costs):,}", file=sys.stderr)
    return {
        "name": name,
        "family": family,
        "own": True,
        "provenance": provenance,
        "optimum": min(costs),
        "proof": solvers,
        "sizes": sizes,
    }


def _write(family: str, about: str, instances: list[dict[str, Any]]) -> None:
    """One instance per line, so that a change of one shows as one line."""
    lines = ",\n  ".join(json.dumps(instance, ensure_ascii=False) for instance in instances)
    text = f'{{"about": {json.dumps(about, ensure_ascii=False)},\n "instances": [\n  {lines}\n]}}\n'
    (FOLDER / f"chains_{family}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
