"""Writes `mixed_chains.json`: `python -m bench.instances.make_mixed`.

Thirty chains of six factors, each dense, diagonal or CSR (at least one of each), sizes from 40 to 1,000 and densities
from 0.002 to 0.09, evenly on logarithmic scales. Every draw is `random.Random(name)`.
"""

from __future__ import annotations

import json
import sys
from math import exp, log
from random import Random
from typing import Any

from bench.instances.mixed import FILE, checksum
from generators.chains import drawn_pattern

COUNT = 30
FACTORS = 6


def main() -> None:
    """Write the file."""
    instances = [_instance(f"mixed-{i + 1:02d}") for i in range(COUNT)]
    lines = ",\n  ".join(json.dumps(instance) for instance in instances)
    about = (__doc__ or "").split("\n\n")[1].replace("\n", " ").strip()
    FILE.write_text(f'{{"about": {json.dumps(about)},\n "instances": [\n  {lines}\n]}}\n', encoding="utf-8")


def _instance(name: str) -> dict[str, Any]:
    draw = Random(name)
    kinds: list[str] = []
    while len(set(kinds)) < 3:
        kinds = [draw.choice(["dense", "diagonal", "csr"]) for _ in range(FACTORS)]
    sizes = [_between(draw, 40, 1000)]
    factors: list[Any] = []
    for i, kind in enumerate(kinds):
        sizes.append(sizes[-1] if kind == "diagonal" else _between(draw, 40, 1000))
        if kind != "csr":
            factors.append(kind)
            continue
        density = round(exp(log(0.002) + log(0.09 / 0.002) * draw.random()), 4)
        csr = drawn_pattern(f"{name}/F{i + 1}", sizes[i + 1], sizes[i], density)
        factors.append({"csr": density, "nonzeros": int(csr.nnz), "crc32": checksum(csr)})
    print(name, sizes, kinds, file=sys.stderr)
    return {"name": name, "own": True, "sizes": sizes, "factors": factors}


def _between(draw: Random, least: int, most: int) -> int:
    return round(exp(log(least) + log(most / least) * draw.random()))


if __name__ == "__main__":
    main()
