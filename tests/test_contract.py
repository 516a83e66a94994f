"""Plan files judged from the contracts alone: dense boolean patterns, own counts, own plain dynamic program.

Nothing of chainplan's structures or costs is used: YAML goes in through the command line, the plan file comes out.
"""

from __future__ import annotations

import json
import random
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import chainplan
from chainplan_cli.main import main
from tests.oracles.patterns import PICKERS, spelled

Pattern = Any  # an array of zeros and ones


def drawn(rng: random.Random, rows: int, cols: int) -> tuple[str, Any]:
    """A word with an argument that fits a block of rows x cols."""
    b = rng.choice([b for b in range(1, min(rows, cols) + 1) if rows % b == cols % b == 0])
    fitting: dict[str, Any] = {
        **dict.fromkeys(["dense", "zero"]),
        "selection": [rng.randrange(cols) for _ in range(rows)],
        "scatter": [rng.randrange(rows) for _ in range(cols)],
        "block_diagonal": [b, rows // b, cols // b],
        "kronecker": [[rows // b, cols // b], b],
        "coo": [[i, j] for i in range(rows) for j in range(cols) if rng.random() < 0.2],
    }
    if rows == cols:
        fitting |= dict.fromkeys(["diagonal", "scaled_identity", "identity", "negated_identity", "sign"])
        fitting |= dict.fromkeys(["lower_triangular", "upper_triangular"])
        fitting |= {"permutation": rng.sample(range(rows), rows), "banded": [rng.randrange(3), rng.randrange(3)]}
    if rows % cols == 0:
        fitting["replicate"] = rng.choice(["each", "whole"])
    if cols % rows == 0:
        fitting["reduce"] = rng.choice(["each", "whole"])
    word = rng.choice(sorted(fitting))
    return word, fitting[word]


def random_chain(rng: random.Random, matrix_free: float) -> tuple[dict[str, Any], list[tuple[Pattern, bool]]]:
    """A spec, and pattern and unit-ness of every elemental."""
    sizes = [rng.choice([2, 3, 4, 6, 8, 12]) for _ in range(rng.randint(2, 6))]
    entries, known = [], []
    for p, (cols, rows) in enumerate(pairwise(sizes)):
        word, argument = drawn(rng, rows, cols)
        entry: dict[str, Any] = {"name": f"F{p}", "shape": [rows, cols]}
        entry["structure"] = word if argument is None else {word: argument}
        if rng.random() < matrix_free:
            entry |= {"tangent": rng.randint(1, 200), "adjoint": rng.randint(1, 200)}
        entries.append(entry)
        known.append((spelled(word, argument, rows, cols).astype(int), word in PICKERS))
    return {"chain": entries}, known


def planned(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    source, target = folder / "spec.yaml", folder / "plan.json"
    source.write_text(yaml.safe_dump(spec))
    assert main(["plan", str(source), "--format", "json", "-o", str(target)]) == 0
    assert main(["check", str(target)]) == 0
    return dict(json.loads(target.read_text()))


def plain_optimum(spec: dict[str, Any], known: list[tuple[Pattern, bool]]) -> int:
    """The cheapest bracketing, products with a unit elemental free; no compressed sweeps."""
    q = len(known)
    block = {(p, p): pattern for p, (pattern, _) in enumerate(known)}
    unit: dict[tuple[int, int], Any] = {(p, p): pattern if free else None for p, (pattern, free) in enumerate(known)}
    best: dict[tuple[int, int], int] = {}
    for p, entry in enumerate(spec["chain"]):
        rows, cols = entry["shape"]
        best[p, p] = min(cols * entry["tangent"], rows * entry["adjoint"]) if "tangent" in entry else 0
    for i, j in sorted(combinations(range(q), 2), key=lambda ends: ends[1] - ends[0]):
        block[i, j] = np.minimum(block[j, j] @ block[i, j - 1], 1)
        lower, upper = unit[i, j - 1], unit[j, j]
        both = [] if lower is None or upper is None else [lower, upper]
        picks = both and any(all(u.sum(axis).max() <= 1 for u in both) for axis in (0, 1))
        unit[i, j] = upper @ lower if picks else None
        first, last = spec["chain"][i], spec["chain"][j]
        ways = [last["tangent"] * first["shape"][1] + best[i, j - 1]] if "tangent" in last else []
        ways += [first["adjoint"] * last["shape"][0] + best[i + 1, j]] if "adjoint" in first else []
        for k in range(i, j):
            left, right = (k + 1, j), (i, k)
            free = unit[left] is not None or unit[right] is not None
            ways.append(best[left] + best[right] + (0 if free else int(block[left].sum(0) @ block[right].sum(1))))
        best[i, j] = min(ways)
    return best[0, q - 1]


@pytest.mark.parametrize("matrix_free", [0.0, 0.5])
def test_costs_and_values_follow_from_the_contract(matrix_free: float, tmp_path: Path) -> None:
    rng, compressed = random.Random(4), 0
    for _ in range(100):
        spec, known = random_chain(rng, matrix_free)
        found, optimum = planned(spec, tmp_path), plain_optimum(spec, known)
        fma = sum(step["fma"] for step in found["steps"])
        assert fma == found["cost"]["fma"] == found["bound"]["fma"]
        assert fma <= min(baseline["fma"] for baseline in found["baselines"].values())
        if found["counts"] == "exact":
            assert fma <= optimum if matrix_free else fma == optimum
        compressed += sum(step["op"] == "decompress" for step in found["steps"])
        names = {e["name"]: -1 if e["structure"] == "negated_identity" else 1 for e in spec["chain"]}
        values = {name: sign * pattern for (name, sign), (pattern, _) in zip(names.items(), known, strict=True)}
        expected = np.eye(known[0][0].shape[1], dtype=int)
        for value in values.values():
            expected = value @ expected
        plan = chainplan.plan(chainplan.from_spec(spec)).plan
        assert plan is not None
        (jacobian,) = chainplan.execute(plan, values).values()
        assert np.array_equal(jacobian, expected), spec
    assert bool(compressed) == bool(matrix_free)
