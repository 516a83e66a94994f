"""Exchanges graphs with networkx, and through it reads and writes GraphML, GML and node-link JSON.

A vertex is a node with the attribute `size` (1 where it is missing), an elemental Jacobian an edge with the attributes
of a spec's jacobian: `name`, `structure`, `tangent`, `adjoint`, `tape`, `advance`, `same_as`, `second`,
`second_tangent`, `second_adjoint`. The graph's
attributes `inputs` and `outputs` list its ends; where they are missing, the inputs are the nodes that no edge enters,
and the outputs those that no edge leaves. Its attribute `seconds` is that of a spec. Lists and mappings become text of
JSON where a format holds only text (GraphML, GML). Reading goes through the grammar of the spec, so that its rules
exist once. GraphML of the Jacobian-chaining codes of STCE at RWTH Aachen has `tangent_cost`, `adjoint_cost` and
`adjoint_memory` on edges.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Hashable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from chainplan.errors import ArgumentError
from chainplan.errors.arguments import refuse
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.objects import from_objects
from chainplan.io.noted import noted
from chainplan.io.spec import read_problem
from chainplan.io.spec_second import SECOND_DETAILS, SECOND_KEYS
from chainplan.problem.problem import Problem, problem_of, second_words

if TYPE_CHECKING:
    import networkx

_COST_KEYS = {"tangent_cost": "tangent", "adjoint_cost": "adjoint", "adjoint_memory": "tape"}
"""The keys of a jacobian for what other codes call so."""
_EDGE_KEYS = ("name", "structure", "tangent", "adjoint", "tape", "advance", "same_as", *SECOND_DETAILS)


def from_networkx(graph: networkx.DiGraph, source: str = "graph") -> Problem:
    """Make a problem of a networkx DiGraph or MultiDiGraph.

    Parameters
    ----------
    graph : networkx.DiGraph
        The graph. A node may have a `size`, an edge any key of a jacobian of a spec, the graph `inputs` and
        `outputs`.
    source : str
        The text that stands before every message.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    SpecError
        Where the graph has errors; the message lists every error.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import networkx
    >>> graph = networkx.DiGraph([("x", "h"), ("h", "y")])
    >>> graph.nodes["h"]["size"] = 3
    >>> problem = from_networkx(graph)
    >>> problem.graph.sizes["h"], problem.graph.inputs, problem.graph.outputs
    (3, ('x',), ('y',))
    """
    if not hasattr(graph, "is_directed") or not hasattr(graph, "edges"):
        raise refuse("graph", graph, "a DiGraph or MultiDiGraph of networkx", "Make one, or pass a spec to from_spec.")
    messages = SpecMessages(source)
    return read_problem(from_objects(_spec(graph, messages), messages), messages)


def _spec(graph: networkx.DiGraph, messages: SpecMessages) -> dict[str, Any]:
    """Turn the graph into a spec, in the order of its nodes and edges."""
    if not graph.is_directed():
        text = "found an undirected graph; expected a directed one, whose edges lead from the inputs to the outputs."
        messages.fatal(0, 0, f'{text} Direct its edges: a DiGraph in networkx, edgedefault="directed" in GraphML.')
    spec: dict[str, Any] = {
        "dag": {
            "sizes": {str(v): _plain(data.get("size", 1)) for v, data in graph.nodes(data=True)},
            "inputs": _ends(graph, "inputs", graph.in_degree, graph.out_degree),
            "outputs": _ends(graph, "outputs", graph.out_degree, graph.in_degree),
            "jacobians": [{"edge": [str(a), str(b)], **_details(data)} for a, b, data in graph.edges(data=True)],
        }
    }
    if graph.graph.get("seconds") is not None:
        spec["dag"]["seconds"] = _plain(graph.graph["seconds"])
    given = {key: graph.graph.get(key) for key in ("memory", "recompute", "disk", "transfer")}
    for key in ("products", *SECOND_KEYS):
        if graph.graph.get(key) is not None:
            spec[key] = _plain(graph.graph[key])
    if limits := {key: _plain(value) for key, value in given.items() if value is not None}:
        spec["limits"] = limits
    if graph.graph.get("name"):
        spec["name"] = graph.graph["name"]
    return spec


def _details(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an edge that say something of its Jacobian."""
    given = {k: _plain(data[k]) for k in _EDGE_KEYS if k in data}
    if _plain(data.get("has_model", True)):
        given = {word: _plain(data[key]) for key, word in _COST_KEYS.items() if key in data} | given
    return given


def _ends(graph: networkx.DiGraph, key: str, near: Callable[[Hashable], int], far: Callable[[Hashable], int]) -> Any:
    """Return the inputs or outputs that the graph states, or the nodes with edges on their inner side alone."""
    given = _plain(graph.graph.get(key))
    if isinstance(given, list | tuple):
        return [str(v) for v in given]
    return [str(v) for v in graph if not near(v) and far(v)] if given is None else given


def _plain(value: Any) -> Any:
    """Return the value of an attribute, where text that is a JSON list, mapping, number or truth value is parsed."""
    if isinstance(value, str) and (value[:1] in "[{0123456789" or value in ("true", "false")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def to_networkx(problem: Problem) -> networkx.MultiDiGraph:
    """Make a networkx MultiDiGraph of a problem, from which `from_networkx` makes the same problem again.

    Parameters
    ----------
    problem : Problem
        The problem.

    Returns
    -------
    networkx.MultiDiGraph
        The graph, with everything that the problem holds.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> problem = chainplan.chain([2, 3, 4])
    >>> from_networkx(to_networkx(problem)).graph.sizes == problem.graph.sizes
    True
    """
    import networkx

    problem = problem_of(problem)
    refuse_systems(problem)
    graph = networkx.MultiDiGraph(inputs=list(problem.graph.inputs), outputs=list(problem.graph.outputs))
    if problem.name is not None:
        graph.graph["name"] = problem.name
    if problem.memory is not None:
        graph.graph["memory"] = problem.memory
    if problem.recompute:
        graph.graph["recompute"] = True
    if problem.products is not None:
        graph.graph["products"] = problem.to_spec()["products"]
    if problem.graph.mixed:
        graph.graph["seconds"] = [one.to_spec() for one in problem.graph.mixed]
    if problem.second is not None:
        graph.graph |= second_words(problem.second)
    if problem.disk is not None:
        graph.graph |= {"disk": problem.disk, "transfer": problem.graph.transfer}
    for vertex, size in problem.graph.sizes.items():
        graph.add_node(vertex, size=size)
    for e in problem.graph.elementals:
        details: dict[str, Any] = {"name": e.name}
        if e.values is not None:
            graph.add_edge(e.source, e.target, **details, same_as=e.values)
            continue
        if e.block.structure.name != "dense":
            details["structure"] = e.block.structure.to_spec(e.block.rows, e.block.cols)
        if not e.explicit:
            details |= {k: v for k in ("tangent", "adjoint", "tape") if (v := getattr(e, k)) is not None}
        if e.advance is not None:
            details["advance"] = e.advance
        if e.second is not None:
            details |= e.second.to_spec()
        graph.add_edge(e.source, e.target, **details)
    return graph


def refuse_systems(problem: Problem) -> None:
    """Refuse a problem with unknowns that are solved together, which no format of graphs has.

    Raises
    ------
    ArgumentError
        Where it has some.
    """
    systems = [e.implicit for e in problem.graph.elementals if e.implicit is not None]
    if systems:
        unknowns = ", ".join(f"'{unknown.name}'" for unknown in systems[0].unknowns[:3])
        raise ArgumentError(
            f"problem: found the implicit unknowns {unknowns}; expected a problem without implicit systems, which "
            "graphs do not have. Write it as a spec: .yaml or .json."
        )


def text_attributes(graph: networkx.MultiDiGraph) -> networkx.MultiDiGraph:
    """Turn every attribute that is no text into JSON text, for formats that hold only text."""
    for data in (graph.graph, *(d for *_, d in graph.nodes(data=True)), *(d for *_, d in graph.edges(data=True))):
        for key, value in data.items():
            if not isinstance(value, str):
                data[key] = json.dumps(value)
    return graph


def to_graphml(problem: Problem) -> str:
    """Write the graph of a problem as GraphML, in which any value that is no text becomes JSON text."""
    import networkx

    return "\n".join(networkx.generate_graphml(text_attributes(to_networkx(problem)))) + "\n"


def to_gml(problem: Problem) -> str:
    """Write the graph of a problem as GML, in which any value that is no text becomes JSON text."""
    import networkx

    return "\n".join(networkx.generate_gml(text_attributes(to_networkx(problem)))) + "\n"


def to_node_link(problem: Problem) -> str:
    """Write the graph of a problem as node-link JSON."""
    import networkx

    return json.dumps(networkx.node_link_data(to_networkx(problem), edges="edges"), indent=1) + "\n"


def read_graphml(data: bytes, messages: SpecMessages) -> Problem:
    """Read GraphML."""
    import networkx

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = networkx.read_graphml(BytesIO(data), force_multigraph=True)
    except Exception as error:  # expat, networkx and int() each raise errors of their own
        messages.fatal(0, 0, f"not a GraphML file: {first_line(error)}; expected one that networkx reads.")
    return problem_of_graph(graph, messages)


def read_gml(data: bytes, messages: SpecMessages) -> Problem:
    """Read GML, of which the labels are the names of the vertices."""
    import networkx

    try:
        graph = networkx.parse_gml(data.decode().splitlines())
    except Exception as error:  # networkx, int() and decoding each raise errors of their own
        messages.fatal(0, 0, f"not a GML file: {first_line(error)}; expected one that networkx reads.")
    return problem_of_graph(graph, messages)


def read_node_link(data: bytes, messages: SpecMessages) -> Problem:
    """Read node-link JSON, with the edges under `edges` or `links`."""
    import networkx

    try:
        document = json.loads(data)
        key = "links" if "links" in document else "edges"
        graph = networkx.node_link_graph(document, directed=True, multigraph=True, edges=key)
    except Exception as error:  # json, networkx and documents of another shape each raise errors of their own
        messages.fatal(0, 0, f"not a node-link file: {first_line(error)}; expected nodes and edges.")
    return problem_of_graph(graph, messages)


def problem_of_graph(graph: networkx.DiGraph, messages: SpecMessages) -> Problem:
    """Make the problem of a graph that was read from a file; a note says so where no vertex has a size.

    Raises
    ------
    SpecError
        Where the graph has errors; the message lists every error.
    """
    problem = read_problem(from_objects(_spec(graph, messages), messages), messages)
    if any("size" in data for _, data in graph.nodes(data=True)):
        return problem
    return noted(problem, ("No vertex of the file has the attribute 'size', so each is a scalar, of size 1.",))


def first_line(error: Exception) -> str:
    """Return the first line of an error, in characters that print."""
    said = f"{type(error).__name__} {error}".splitlines()[0][:200].rstrip(".")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)
