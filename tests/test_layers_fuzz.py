"""Whatever is read as layers, nothing but SpecError escapes, and what is accepted is a problem that is read again."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest

from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.read import FRONTENDS, from_spec
from chainplan.problem.problem import Problem
from chainplan.programs.ops import OPS
from chainplan.programs.program import Program
from tests.test_spec_fuzz import VALUES, containers, fuzz, mutated_bytes

TREES: list[Any] = [
    {
        "input": {"x": [2, 6, 6], "batch": 2},
        "layers": [
            {"op": "conv2d", "out": 2, "kernel": 3, "padding": 1, "stride": 2, "bias": False},
            {"op": "max_pool", "window": [2, 2], "stride": [1, 1]},
            {"op": "reshape", "to": [2, -1]},
            {"op": "linear", "out": 3},
            {"op": "layer_norm", "eps": 0.01},
            {"op": "cross_entropy", "from_logits": True},
        ],
    },
    {
        "name": "n",
        "input": {"a": [3, 3], "b": {"shape": [3], "batch": False}, "batch": 2},
        "with_respect_to": ["b", "lin.weight"],
        "outputs": ["lin", "last"],
        "limits": {"memory": 10**9},
        "layers": [
            {"op": "slice", "from": "a", "start": 0, "stop": 1, "axis": 0, "name": "first"},
            {"op": "reshape", "to": [3, 3], "name": "m"},
            {"op": "linear_solve", "from": ["m", "b"], "name": "s"},
            {"op": "linear", "out": 4, "name": "lin"},
            {"op": "split", "parts": 2, "part": 1},
            {"op": "gather", "indices": [0, 1, 0]},
            {"op": "multiply", "from": ["gather1", "b"]},
            {"op": "mean", "axis": -1, "name": "last"},
        ],
    },
]
TEXTS = [json.dumps(tree).encode() for tree in TREES]
KEYS = ("op", "from", "name", "axis", "out", "kernel", "to", "parts", "layers", "input", "batch", "shape", "x", 3, None)


def mutated(random: Random) -> Any:
    tree = copy.deepcopy(random.choice(TREES))
    for _ in range(random.choice((1, 1, 2, 4))):
        places = containers(tree)
        if not places:
            break
        place = random.choice(places)
        key = random.choice(list(place)) if isinstance(place, dict) else random.randrange(len(place))
        kind = random.randrange(6)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, dict):
            place[random.choice(KEYS)] = place.pop(key)
        elif kind == 1:
            place.insert(key, copy.deepcopy(place[key]))
        elif kind == 2 and isinstance(place, dict) and "op" in place:
            place["op"] = random.choice(list(OPS))
        elif kind == 3:
            place[key] = random.choice((-2, -1, 0, 1, 2, 3, 7, 10**6, 10**12, 0.5, "a", "b", "lin", "lin.weight"))
        else:
            place[key] = copy.deepcopy(random.choice(VALUES))
    return tree


def test_mutated_trees() -> None:
    fuzz(mutated, lambda tree: from_spec(tree, "f"))


@pytest.mark.parametrize("frontend", [f for f in FRONTENDS if f.name in ("yaml", "json")], ids=lambda f: f.name)
def test_mutated_text(frontend: Any) -> None:
    def read(data: bytes) -> Problem:
        found = frontend.reader(data, SpecMessages("f"))
        problem: Problem = found.problem if isinstance(found, Program) else found
        return problem

    fuzz(lambda random: mutated_bytes(random, TEXTS), read)
