"""Geometry of the drawings of a page, read off the SVG: what crosses what, and what has its head."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import chainplan
from chainplan.report.html import chain, dag, tree
from tests.problems import chain_problem, random_dag

WIDE, HIGH = 6.6, 11.0
"""Pixels of a character of 11 pixels, from above: no digit, sign or comma of the fonts of the style is wider."""


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


def labels(svg: str) -> Iterator[Box]:
    """The boxes of the texts beside products."""
    pattern = r'<text class="small (left|right) halo" x="([\d.-]+)" y="([\d.-]+)">([^<]*)</text>'
    for side, x, y, words in re.findall(pattern, svg):
        at, long = float(x), WIDE * len(words)
        left = at if side == "left" else at - long
        yield Box(left, float(y) - HIGH, left + long, float(y) + 1.5)


def edges(svg: str) -> list[tuple[float, ...]]:
    return [
        tuple(map(float, found))
        for found in re.findall(r'class="branch" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', svg)
    ]


def boxes(svg: str) -> list[Box]:
    pattern = r'class="leaf" x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"'
    return [Box(x, y, x + w, y + h) for x, y, w, h in (map(float, found) for found in re.findall(pattern, svg))]


def crosses(edge: tuple[float, ...], box: Box) -> bool:
    """Whether a segment has a point within a box: clipped by its sides, something is left (Liang and Barsky 1984)."""
    x, y, to_x, to_y = edge
    low, high = 0.0, 1.0
    for move, before, behind in ((to_x - x, box.left - x, box.right - x), (to_y - y, box.top - y, box.bottom - y)):
        if move == 0:
            if not before < 0 < behind:
                return False
            continue
        first, last = sorted((before / move, behind / move))
        low, high = max(low, first), min(high, last)
    return low < high


def overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def drawn(sizes: list[int]) -> str:
    result = chainplan.plan(chain_problem(sizes))
    assert result.plan is not None
    assert result.priced is not None
    return str(tree.picture(result.plan, result.priced, "fma")[0])


CHAINS = [[random.Random(seed).choice((2, 9, 300, 4000)) for _ in range(2 + seed)] for seed in range(1, 40)]
CHAINS += [list(range(400, 380, -1)), list(range(10**3, 10**3 + 14)), [10**4] * 60]


@pytest.mark.parametrize("sizes", CHAINS, ids=lambda sizes: str(len(sizes)))
def test_no_edge_crosses_a_label_of_the_tree(sizes: list[int]) -> None:
    svg = drawn(sizes)
    found = list(labels(svg))
    assert len(found) == 2 * svg.count('class="dot"')
    assert all(box.top >= 0 and box.left >= 0 for box in found)
    width = float(re.findall(r'width="(\d+)"', svg)[0])
    for i, box in enumerate(found):
        assert box.right <= width
        assert not [edge for edge in edges(svg) if crosses(edge, box)]
        assert not [other for other in boxes(svg) if overlap(box, other)]
        assert not [other for other in found[:i] if overlap(box, other)]


def test_what_crosses_is_noticed() -> None:
    box = Box(10, 10, 20, 20)
    assert crosses((0, 0, 30, 30), box)
    assert crosses((15, 0, 15, 30), box)
    assert not crosses((0, 12, 8, 12), box)
    assert not crosses((0, 30, 9, 0), box)
    assert not crosses((15, 0, 15, 9), box)


@pytest.mark.parametrize("count", [1, 3, 24, 25, 100, 3000])
def test_both_ends_of_a_chain_are_in_sight_on_any_page(count: int) -> None:
    """Each factor is a drawing of its own, narrow enough for a page of 400 pixels, and they break into lines."""
    problem = chain_problem([1 + i % 5 for i in range(count + 1)])
    factors, words = chain.picture(problem.graph.chain)
    html = chain.in_lines(factors, "The chain")
    assert html.startswith('<div class="factors"')
    widths = [int(width) for width in re.findall(r'<svg role="img" aria-label="[^"]*" width="(\d+)"', html)]
    assert len(widths) == min(count, chain.MAX_DRAWN_CHAIN_BLOCKS)
    assert max(widths) <= 340
    assert html.count('class="op"') == len(widths) - 1
    names = re.findall(r'<text class="name"[^>]*>(?:<title>[^<]*</title>)?([^<]*)</text>', html)
    assert names[0].startswith(f"F{count}")
    assert names[-1] == "F1" or names[-1].endswith("–F1")
    assert ("in 24 groups" in words) == (count > chain.MAX_DRAWN_CHAIN_BLOCKS)


@pytest.mark.parametrize("seed", range(12))
def test_every_edge_of_a_graph_has_its_head(seed: int) -> None:
    graph = random_dag(random.Random(seed)).graph
    if not graph.useful:
        return
    svg = str(dag.picture(graph))
    (head,) = re.findall(r'<marker id="(\w+)"', svg)
    drawn = re.findall(r'<path class="edge(?: free)?" d="[^"]*"([^>]*)>', svg)
    assert len(drawn) == len(graph.useful)
    assert all(f"url(#{head})" in rest for rest in drawn)
