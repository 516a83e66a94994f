"""Reads and writes graphs in the DOT language of Graphviz; pydot parses it.

Of a file only nodes, edges and attributes count: subgraphs group nodes, an edge to a subgraph leads to each of its
nodes, ports say nothing. Of several edges between two nodes of a strict graph there is one, with the attributes of all.
Attributes are those of `io.networkx_graph`; those of the drawing are left alone. Defaults hold for all nodes and edges
of their graph, whether they stand before or behind them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from itertools import product
from typing import TYPE_CHECKING

from chainplan.errors import missing_extra
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.networkx_graph import first_line, problem_of_graph, text_attributes, to_networkx
from chainplan.problem.problem import Problem

if TYPE_CHECKING:
    import networkx
    import pydot

_DOT_KEYWORDS = ("node", "edge", "graph", "subgraph")
"""Names under which pydot keeps default attributes, and references to subgraphs."""


def read_dot(data: bytes, messages: SpecMessages) -> Problem:
    """Read a digraph in DOT.

    Raises
    ------
    SpecError
        Where the file is broken, or has errors; the message lists every error.
    """
    try:
        import pydot
    except ImportError:
        messages.fatal(0, 0, missing_extra("a DOT file", "pydot", "dot"))
    said = StringIO()
    try:
        with redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graphs = pydot.graph_from_dot_data(data.decode())
        graph = _graph(graphs[0]) if graphs else None
        count = len(graphs or ())
    except Exception as error:  # pyparsing, pydot and decoding each raise errors of their own
        messages.fatal(0, 0, f"not a DOT file: {first_line(error)}; expected one digraph. Correct it.")
    if graph is None:
        where = " ".join(line.strip() for line in said.getvalue().splitlines() if "(line:" in line)
        messages.fatal(0, 0, f"not a DOT file: {where[:200] or 'it holds no graph'}; expected one digraph. Correct it.")
    if count > 1:
        messages.fatal(0, 0, f"found {count} graphs; expected one digraph. Write a file for each.")
    return problem_of_graph(graph, messages)


def _graph(parsed: pydot.Dot) -> networkx.MultiDiGraph:
    import networkx

    kind = networkx.MultiDiGraph if parsed.get_type() == "digraph" else networkx.MultiGraph
    if parsed.get_strict():
        kind = networkx.DiGraph if parsed.get_type() == "digraph" else networkx.Graph
    graph = kind(**{key: _bare(value) for key, value in parsed.get_attributes().items()})
    name = _bare(parsed.get_name())
    if name:
        graph.graph.setdefault("name", name)
    parts = list(_parts(parsed, {}, {}))
    groups = {str(part.get_name()): _nodes(part) for part, _, _ in parts[1:]}
    for part, of_nodes, of_edges in reversed(parts):  # of a node in several, the innermost defaults count
        for node in part.get_nodes():
            if node.get_name() not in _DOT_KEYWORDS and (vertex := _vertex(node.get_name())):
                graph.add_node(vertex, **of_nodes | _attributes(node))
        for edge in part.get_edges():
            for pair in product(_ends(edge.get_source(), groups), _ends(edge.get_destination(), groups)):
                graph.add_nodes_from((vertex for vertex in pair if vertex not in graph), **of_nodes)
                graph.add_edge(*pair, **of_edges | _attributes(edge))
    return graph


def _parts(
    graph: pydot.Graph, of_nodes: dict[str, str], of_edges: dict[str, str]
) -> Iterator[tuple[pydot.Graph, dict[str, str], dict[str, str]]]:
    """Yield a graph and the subgraphs in it, each with the default attributes of its nodes and of its edges."""
    for given in graph.get_node_defaults() or ():
        of_nodes = of_nodes | {key: _bare(value) for key, value in given.items()}
    for given in graph.get_edge_defaults() or ():
        of_edges = of_edges | {key: _bare(value) for key, value in given.items()}
    yield graph, of_nodes, of_edges
    for part in graph.get_subgraphs():
        yield from _parts(part, of_nodes, of_edges)


def _nodes(part: pydot.Graph) -> list[str]:
    """List the nodes of a subgraph, those that only edges name too."""
    named = [_vertex(node.get_name()) for node in part.get_nodes() if node.get_name() not in _DOT_KEYWORDS]
    ends = [end for edge in part.get_edges() for end in (edge.get_source(), edge.get_destination())]
    return list(dict.fromkeys([*named, *(vertex for end in ends for vertex in _ends(end, {}))]))


def _ends(end: object, groups: Mapping[str, list[str]]) -> list[str]:
    """Return the nodes at an end of an edge: one by its name, or all of a subgraph."""
    if isinstance(end, str):
        return groups.get(end) or [_vertex(end)]
    return [_vertex(name) for name in end["nodes"]] if isinstance(end, Mapping) else []


def _vertex(name: str) -> str:
    """Return the name of a node without quotes and without a port."""
    return _bare(name) if name.startswith('"') else name.partition(":")[0]


def _attributes(part: pydot.Common) -> dict[str, str]:
    return {key: _bare(value) for key, value in part.get_attributes().items() if value is not None}


def _bare(value: object) -> str:
    """Return a text without its quotes."""
    text = str(value)
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text


def to_dot(problem: Problem) -> str:
    """Write the graph of a problem as a digraph in DOT, in which any value that is no text becomes JSON text."""
    graph = text_attributes(to_networkx(problem))
    name = graph.graph.pop("name", "")
    lines = [f"digraph {_quoted(name)} {{" if name else "digraph {"]
    lines += [f"  {key}={_quoted(value)};" for key, value in graph.graph.items()]
    lines += [f"  {_quoted(vertex)} [{_written(data)}];" for vertex, data in graph.nodes(data=True)]
    lines += [f"  {_quoted(a)} -> {_quoted(b)} [{_written(data)}];" for a, b, data in graph.edges(data=True)]
    return "\n".join([*lines, "}"]) + "\n"


def _written(attributes: dict[str, str]) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in attributes.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
