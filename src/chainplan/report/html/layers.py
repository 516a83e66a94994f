"""Layout of a linearised DAG in layers: where each vertex stands, and the way of each edge.

A vertex stands in the layer of its longest path from the inputs; the order within a layer is the one that sweeps of
barycentres find (Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures",
1981). An edge over several layers gets a place in each of them, so that it leads around the vertices between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chainplan.problem.graph import Graph

MAX_LAYER_GAP, MIN_LAYER_GAP, LAYOUT_WIDTH = 120.0, 64.0, 900.0
"""Pixels between two layers at most and at least, and the width that a drawing takes where it can."""
LAYER_PLACE_GAP = 62
"""Pixels between two places of a layer."""
_ORDERING_SWEEPS = 12

LayerNode = tuple[int, int, int]
"""(vertex, -1, 0), or (source, target, layer) where an edge passes a layer."""


@dataclass(frozen=True)
class GraphLayout:
    """The places of vertices, the points of long edges by (source, target), and the size of the drawing.

    `spacing` is the distance between two layers.
    """

    places: tuple[tuple[float, float], ...]
    ways: dict[tuple[int, int], tuple[tuple[float, float], ...]]
    width: float
    height: float
    spacing: float


def layout(graph: Graph, vertices: Sequence[str], width: float = LAYOUT_WIDTH) -> GraphLayout:
    """Place the vertices of the useful part of a graph, in so many pixels where they have room in them.

    It takes O(sweeps · (edges over all layers they cross)).
    """
    index = {name: i for i, name in enumerate(vertices)}
    pairs = sorted({(index[e.source], index[e.target]) for e in graph.useful})
    layer = _longest_paths(graph, index, pairs)
    chains = {(a, b): _through(a, b, layer) for a, b in pairs}
    layers: list[list[LayerNode]] = [[] for _ in range(max(layer, default=0) + 1)]
    for vertex, depth in enumerate(layer):
        layers[depth].append((vertex, -1, 0))
    for way in chains.values():
        for node in way[1:-1]:
            layers[node[2]].append(node)
    near: dict[LayerNode, list[LayerNode]] = {node: [] for nodes in layers for node in nodes}
    for way in chains.values():
        for a, b in pairwise(way):
            near[a].append(b)
            near[b].append(a)
    spots = _ordered(layers, near)
    tallest = max(map(len, layers))
    step = max(MIN_LAYER_GAP, min(MAX_LAYER_GAP, width / max(1, len(layers) - 1)))
    at = {
        node: (60.0 + step * depth, 40.0 + LAYER_PLACE_GAP * (spots[node] + (tallest - len(nodes)) / 2))
        for depth, nodes in enumerate(layers)
        for node in nodes
    }
    top, bottom = min(y for _, y in at.values()) - 40.0, max(y for _, y in at.values())
    at = {node: (x, y - top) for node, (x, y) in at.items()}
    return GraphLayout(
        tuple(at[v, -1, 0] for v in range(len(vertices))),
        {pair: tuple(at[node] for node in way[1:-1]) for pair, way in chains.items() if len(way) > 2},
        120.0 + step * (len(layers) - 1),
        bottom - top + 45.0,
        step,
    )


def _longest_paths(graph: Graph, index: dict[str, int], pairs: list[tuple[int, int]]) -> list[int]:
    """Find the layer of each vertex; inputs stand in the first one."""
    into: dict[int, list[int]] = {}
    for a, b in pairs:
        into.setdefault(b, []).append(a)
    depth = [0] * len(index)
    for name in graph.order:
        if name in index:
            depth[index[name]] = max((depth[a] + 1 for a in into.get(index[name], ())), default=0)
    return depth


def _through(a: int, b: int, layer: list[int]) -> list[LayerNode]:
    return [(a, -1, 0), *((a, b, depth) for depth in range(layer[a] + 1, layer[b])), (b, -1, 0)]


def _ordered(layers: list[list[LayerNode]], near: dict[LayerNode, list[LayerNode]]) -> dict[LayerNode, float]:
    """Find the place of each node in its layer, from 0; ties keep their order."""
    spots = {node: float(i) for nodes in layers for i, node in enumerate(nodes)}
    depth = {node: d for d, nodes in enumerate(layers) for node in nodes}
    for sweep in range(_ORDERING_SWEEPS):
        forward = sweep % 2 == 0
        for d in range(len(layers)) if forward else reversed(range(len(layers))):
            toward = d - 1 if forward else d + 1

            def centre(node: LayerNode, toward: int = toward) -> float:
                seen = [spots[other] for other in near[node] if depth[other] == toward]
                return sum(seen) / len(seen) if seen else spots[node]

            layers[d].sort(key=centre)
            spots.update((node, float(i)) for i, node in enumerate(layers[d]))
    return spots
