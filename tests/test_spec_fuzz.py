"""Whatever is read, nothing but SpecError escapes, and what is accepted is read again unchanged.

Mutations of valid specs, of their bytes and of their trees. `CHAINPLAN_FUZZ` sets how many; each is made from
its number alone, which is what a failure shows.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chainplan.errors import SpecError
from chainplan.io.chaining_json import to_chaining
from chainplan.io.dot_file import to_dot
from chainplan.io.located.diagnostics import MAX_MESSAGES, SpecMessages
from chainplan.io.located.nodes import UNPRINTABLE_CHARACTERS
from chainplan.io.networkx_graph import to_gml, to_graphml, to_node_link
from chainplan.io.read import FRONTENDS, from_spec, read
from chainplan.problem.problem import Problem
from chainplan_cli.main import main
from tests import onnx_models

ROUNDS = int(os.environ.get("CHAINPLAN_FUZZ", "300"))
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
ANCHORS = b"""\
chain: [&a {shape: &s [2, 2], structure: {banded: [1, 1]}}, *a, {shape: *s, tangent: 3}]
name: 'a "b"'
"""
TREES: list[Any] = [read(path).to_spec() for path in EXAMPLES] + [{"chain": [3, 1, 2]}]
TEXTS = [p.read_bytes() for p in EXAMPLES] + [ANCHORS] + [json.dumps(t).encode() for t in TREES]
TOKENS = rb"""
{ } [ ] : , - ? & * ! | > ' " % @ ` # ~ << &a *a *b !!int !!python/object:os.system --- ... %TAG %YAML
0 -1 1e3 007 1_000 0x10 3.0 .inf true null y chain dag sizes edge tape name
\ \ud83d\ude00 \ud83d \x00 \N \uffff
"""
BYTES = [
    *TOKENS.split(), b"\n", b"\t", b"  ", b"\r", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\xc2\x85", b"9" * 5000, b"[" * 100, b"k" * 2000, b"? " * 40, b"- " * 40, b"\n<<: *a\n",
    b"\n---\n",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2.5, float("nan"), 10**13, 10**5000, "", "x", "12", "\ud800", "\0",
    {"coo": [[0, 0], [1, 9]]}, {"permutation": [1, 0]}, {"selection": [0, "a"]}, {"block_diagonal": [2, 1, 1]},
    {"kronecker": [[1, 1], 2]}, {"sparse": "/dev/zero"}, {"reduce": "whole"}, {"scatter": [[0]]}, "sign",
    "y" * 300, [], {}, [1, 2], ["x", "y"], ["x", "x"], {"banded": [1, -1]}, {"banded": [[], {}]},
    {"diagonal": None}, {"": 1}, {1: 2}, {None: 1}, (3, 4), b"x", [[[[1]]]], "identity", "zero",
]  # fmt: skip


GRAPHS = {
    "graphml": [to_graphml(from_spec(tree)).encode() for tree in TREES],
    "gml": [to_gml(from_spec(tree)).encode() for tree in TREES],
    "dot": [to_dot(from_spec(tree)).encode() for tree in TREES],
    "node-link": [to_node_link(from_spec(tree)).encode() for tree in TREES],
}
"""Valid files of the front-ends that do not read specs."""


def mutated_bytes(random: Random, texts: list[bytes] = TEXTS) -> bytes:
    data = bytearray(random.choice(texts))
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        a, b = sorted(random.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + random.choice((0, 1, 2, 10, 100)))
        kind = random.randrange(5)
        if kind == 0:
            data[a:b] = b""
        elif kind == 1:
            data[a:a] = data[a:b]
        elif kind == 2:
            data[a:b] = random.choice(BYTES)
        elif kind == 3:
            data[a:a] = random.choice(BYTES)
        else:
            data[a:b] = bytes(random.randrange(256) for _ in range(b - a))
    return bytes(data)


def mutated_tree(random: Random) -> Any:
    tree = copy.deepcopy(random.choice(TREES))
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        places = list(containers(tree))
        if not places:
            break
        mutate(random.choice(places), random)
    return tree


def containers(tree: Any) -> list[Any]:
    """All lists and mappings of a tree that hold something."""
    found, todo = [], [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, dict | list) and value:
            found.append(value)
            todo.extend(value.values() if isinstance(value, dict) else value)
    return found


def mutate(place: Any, random: Random) -> None:
    key = random.choice(list(place)) if isinstance(place, dict) else random.randrange(len(place))
    kind = random.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[random.choice(("name", "chain", "tape", "edge", "shape", "", "x", 3, None))] = place.pop(key)
    elif kind == 1:
        place.insert(key, copy.deepcopy(place[key]))
    else:
        place[key] = copy.deepcopy(random.choice(VALUES))


def judge(problem: Problem | SpecError, source: str) -> None:
    if isinstance(problem, Problem):
        assert from_spec(problem.to_spec()).fingerprint == problem.fingerprint
        return
    assert 1 <= len(problem.messages) <= MAX_MESSAGES + 1
    for message in problem.messages:
        assert message.startswith(f"{source}:")
        assert not UNPRINTABLE_CHARACTERS.search(message)
        assert len(message) < 4000


def fuzz(made: Callable[[Random], Any], reader: Callable[[Any], Problem], rounds: int = ROUNDS) -> None:
    """Read what is made of each seed: some of it is accepted, some refused, and both are judged."""
    accepted = 0
    for number in range(rounds):
        mutant = made(Random(number))
        try:
            judge(reader(mutant), "f")
            accepted += 1
        except SpecError as error:
            judge(error, "f")
        except Exception as error:
            raise AssertionError(f"mutation {number}") from error
    assert 0 < accepted < rounds


CHAINS = [
    to_chaining(from_spec(tree)).encode()
    for tree in ({"chain": [3, 1, 2]}, {"chain": [{"shape": [2, 3], "tangent": 5, "adjoint": 4, "tape": 6}]})
] + [b'{"elemental_jacobians": [{"n": 2, "m": 3, "tangent_cost": 4, "adjoint_cost": 5}], "available_threads": 2}']


def test_mutated_chains_of_other_codes() -> None:
    reader: Any = next(frontend.reader for frontend in FRONTENDS if frontend.name == "json")
    fuzz(lambda random: mutated_bytes(random, CHAINS), lambda data: reader(data, SpecMessages("f")))


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda f: f.name)
def test_mutated_text(frontend: Any) -> None:
    if frontend.name == "dot":
        pytest.importorskip("pydot", reason="pydot is not installed; pip install '.[dot]'")
    if frontend.name == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed; pip install '.[onnx]'")
        GRAPHS["onnx"] = [onnx_models.bottleneck(), onnx_models.attention()]
    texts = GRAPHS.get(frontend.name, TEXTS)
    rounds = ROUNDS // 6 if frontend.name == "dot" else ROUNDS  # pydot takes long
    fuzz(lambda random: mutated_bytes(random, texts), lambda data: frontend.reader(data, SpecMessages("f")), rounds)


def test_mutated_trees() -> None:
    fuzz(mutated_tree, lambda tree: from_spec(tree, "f"))


PATTERNS = [
    b"%%MatrixMarket matrix coordinate pattern general\n% of a spec\n4 4 3\n1 1\n2 4\n4 2\n",
    b"%%MatrixMarket matrix coordinate real symmetric\n4 4 2\n2 1 0.5\n3 3 -1e5\n",
    b"%%MatrixMarket matrix array integer general\n2 2\n1\n0\n0\n4\n",
]


def test_mutated_patterns(tmp_path: Path) -> None:
    """Files in Matrix Market format that a spec names; the block takes the shape of the file where that is read."""

    def reader(data: bytes) -> Problem:
        (tmp_path / "p.mtx").write_bytes(data)
        shape = [2, 2] if b"array" in data else [4, 4]
        return from_spec({"chain": [{"shape": shape, "structure": {"sparse": str(tmp_path / "p.mtx")}}]}, "f")

    fuzz(lambda random: mutated_bytes(random, PATTERNS), reader)


def test_mutated_files_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, 1 or 2 and never a traceback; a plan that comes out passes the check."""
    spec, saved = tmp_path / "spec.yaml", tmp_path / "plan.json"
    codes = {0: 0, 1: 0, 2: 0}
    for number in range(ROUNDS):
        spec.write_bytes(mutated_bytes(Random(number)))
        code = main(["plan", str(spec), "--format", "json", "-o", str(saved)])
        said = capsys.readouterr().err
        assert "Traceback" not in said, number
        assert "defect" not in said, (number, said)
        codes[code] += 1
        if code == 0:
            assert main(["check", str(saved)]) == 0, number
            capsys.readouterr()
    assert codes[0] > 0
    assert codes[2] > 0
