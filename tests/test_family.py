"""Specs whose sizes have names: what they stand for at given sizes, and what is wrong with others."""

from __future__ import annotations

from typing import Any

import pytest

import chainplan
from chainplan.io.read import from_text
from chainplan.problem.family import Family

WHOLE = "expected a whole number from 0 to 10^12."
DAG = """
dag:
  sizes: {x: n, h: 2*n, y: 3}
  inputs: [x]
  outputs: [y]
  jacobians: [{edge: [x, h], structure: {coo: [[0, 0]]}}, {edge: [h, y], tangent: 40*n, tape: n}]
ranges: {n: [1, 9]}
"""


def family(items: list[Any], **ranges: list[int]) -> Family:
    made = chainplan.chain(items, ranges=ranges)
    assert isinstance(made, Family)
    return made


@pytest.mark.parametrize("point", [{"n": 1, "batch": 1}, {"n": 7, "batch": 3}, {"n": 1000, "batch": 64}])
def test_a_family_at_sizes_is_the_problem_that_the_spec_with_numbers_describes(point: dict[str, int]) -> None:
    def items(n: Any, batch: Any, price: Any) -> list[Any]:
        return [
            {"shape": [n, 100]},
            {"shape": [n, n], "structure": {"banded": [2, 1]}},
            {"shape": [batch, n], "tangent": price, "adjoint": 5, "tape": n},
            {"shape": [batch, batch], "structure": "diagonal"},
        ]

    named = family(items("n", "10*batch", "640*n*batch"), n=[1, 1000], batch=[1, 64])
    n, batch = point["n"], point["batch"]
    plain = chainplan.chain(items(n, 10 * batch, 640 * n * batch))
    assert named.at(**point) == plain
    assert named.at(**point).fingerprint == plain.fingerprint
    assert type(named.at(**point)) is chainplan.Problem


def test_a_family_is_written_and_read_again() -> None:
    named = family(["n", 100, "3*n", "batch*n"], n=[2, 5], batch=[1, 9])
    again = chainplan.from_spec(named.to_spec())
    assert again == named
    assert again.fingerprint == named.fingerprint
    assert named.fingerprint != family(["n", 100, "3*n", "batch*n"], n=[2, 6], batch=[1, 9]).fingerprint
    assert named.to_spec()["chain"][1]["shape"] == ["3*n", 100]


def test_endless_widths_of_a_family_stay_endless() -> None:
    items = [{"shape": ["n", "n"], "structure": {"banded": [10**18 * 2, 1]}}, {"shape": [3, "n"]}]
    again = chainplan.from_spec(family(items, n=[2, 5000]).to_spec())
    assert isinstance(again, Family)
    assert again.at(n=5000).graph.chain[0].block.nnz == 5000 * 5001 // 2 + 4999


ERRORS = {
    "chain: [n, 3]": [
        f"s:1:9: chain[0] is n; {WHOLE} Write it in digits alone, such as 1000, or add ranges: {{n: [1, 1000]}}."
    ],
    "chain: [nn, n]\nranges: {n: [3, 20]}": [f"s:1:9: chain[0] is nn; {WHOLE} Did you mean 'n'?"],
    "chain: [4, 3]\nranges: {m: [1, 2]}": [
        "s:2:10: ranges names 'm', but no size or price does; expected one that does. Remove it."
    ],
    "chain: [n, 3]\nranges: {n: [3, 2]}": ["s:2:13: ranges.n is [3, 2]; expected 1 <= least <= largest. Correct it."],
    "chain: [n, 3]\nranges: {n: [0, 2]}": ["s:2:13: ranges.n is [0, 2]; expected 1 <= least <= largest. Correct it."],
    "chain: [n, 3]\nranges: {n: [1, x]}": [
        f"s:2:17: ranges.n[1] is x; {WHOLE} Write it in digits alone, such as 1000."
    ],
    "chain: [n, 3]\nranges: 3": [
        "s:2:9: ranges is 3; expected a mapping from names to ranges. Write it as {n: [1, 1000]}."
    ],
    "chain: [{shape: [n, 3]}, {shape: [4, m]}]\nranges: {n: [2, 2], m: [2, 2]}": [
        "s:1:34: chain[1] 'F2' has m columns, but chain[0] 'F1' has n rows; adjacent Jacobians must agree."
    ],
    "chain: [{shape: [n, 3], structure: diagonal}]\nranges: {n: [3, 3]}": [
        "s:1:36: chain[0].structure: structure 'diagonal' of 'F1' needs as many rows as columns, not n x 3."
    ],
    "chain: [a, b, c, d, e]\nranges: {a: [1, 2], b: [1, 2], c: [1, 2], d: [1, 2], e: [1, 2]}": [
        "s:2:9: ranges has 5 names; expected at most 4. Write numbers for some of them."
    ],
    "chain: [n, n*n*n]\nranges: {n: [1, 1000000]}": [
        "s:1:12: chain[1] grows to 1000000000000000000; expected at most 10^12. Narrow a range."
    ],
    f"chain: [{'*'.join(['n'] * 2000)}, 3]\nranges: {{n: [1, 1000000000000]}}": [
        "s:1:9: chain[0] grows to more than 10^60; expected at most 10^12. Narrow a range."
    ],
    "chain: [n, 3]\nranges: {n: [1, 2]}\nlimits: {memory: 4}": [
        "s:3:1: the spec has 'ranges' and 'limits'; expected one of them. Remove one, or write numbers for the names."
    ],
    DAG: [
        "s:6:41: dag.jacobians[0].structure fixes the size of a block that has a name; expected one of dense, "
        "diagonal, identity, negated_identity, scaled_identity, sign, zero, banded, lower_triangular, "
        "upper_triangular. Write numbers for its size, or 'dense'."
    ],
}


@pytest.mark.parametrize("text", ERRORS)
def test_what_is_wrong_with_names_is_said_with_its_place(text: str) -> None:
    with pytest.raises(chainplan.ChainplanError) as error:
        from_text(text, "s")
    assert str(error.value).splitlines() == ERRORS[text]


def test_one_problem_is_asked_of_a_family() -> None:
    named = family(["n", 100, 3], n=[2, 5])
    with pytest.raises(
        chainplan.ChainplanError, match=r"found a Family; expected a Problem. Pass family.at\(name=size"
    ):
        chainplan.plan(named)
    for sizes, text in (({}, "n: found no size"), ({"n": 6}, "n: found 6"), ({"n": 2, "m": 1}, "m: found no range")):
        with pytest.raises(chainplan.ChainplanError, match=f"{text}.*; expected (sizes )?n from 2 to 5"):
            named.at(**sizes)
