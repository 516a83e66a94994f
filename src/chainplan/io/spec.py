"""The grammar of a spec: it turns located values into a Problem.

`chain` and `dag` are both read into a `GraphDraft` (`spec_chain`, `spec_dag`). A `Graph` alone knows what a
well-formed graph is; here its faults get back their line and column, and words of the spec where those say more.
"""

from __future__ import annotations

from dataclasses import replace

from chainplan.errors import ArgumentError
from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import LocatedNode, MappingNode, written
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_chain import read_chain
from chainplan.io.spec_dag import read_dag
from chainplan.io.spec_draft import GraphDraft
from chainplan.io.spec_family import has_names, read_family
from chainplan.io.spec_limits import read_limits
from chainplan.io.spec_products import read_products
from chainplan.io.spec_second import SECOND_KEYS, read_second
from chainplan.problem.graph import FaultyGraphError, Graph, GraphFault
from chainplan.problem.problem import Problem

_GRAPH_KEYS = ("chain", "dag")


def read_problem(root: LocatedNode, messages: SpecMessages) -> Problem:
    """Read the problem, or the family of problems, that a spec describes.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.
    """
    if has_names(root):
        return read_family(root, messages, _read_problem)
    return _read_problem(root, messages)


def _read_problem(root: LocatedNode, messages: SpecMessages) -> Problem:
    """Read a problem whose sizes are numbers."""
    reader = NodeReader(messages)
    top = reader.fields(root, (*_GRAPH_KEYS, "limits", "products", *SECOND_KEYS, "ranges", "name")) or {}
    name = reader.name(top["name"]) if "name" in top else None
    limits = read_limits(top.get("limits"), reader)
    products = read_products(top.get("products"), limits, reader)
    second = read_second(top, reader)
    graph = _graph(root, top, reader)
    if graph is not None and limits.recompute and any(e.implicit for e in graph.elementals):
        text = (
            "limits has 'recompute', but the dag has 'implicit'; expected states that are given. Leave 'recompute' out."
        )
        messages.add(top["limits"], text)
    messages.finish()
    assert graph is not None
    graph = replace(graph, transfer=limits.transfer) if limits.transfer else graph
    problem = Problem(
        graph,
        limits.memory,
        name,
        recompute=limits.recompute,
        disk=limits.disk,
        products=products,
    )
    try:
        return replace(problem, second=second)
    except ArgumentError as error:
        reader.messages.add(top["derivative"], str(error))
        messages.finish()
        raise


def _graph(root: LocatedNode, top: dict[str, LocatedNode], reader: NodeReader) -> Graph | None:
    """Read the graph, and note every fault; None where there is one."""
    if isinstance(root, MappingNode) and ("chain" in top) == ("dag" in top):
        what = "both 'chain' and 'dag'" if "chain" in top else "neither 'chain' nor 'dag'"
        todo = "Remove one of them." if "chain" in top else "Add the one that describes the problem."
        reader.messages.add(root, f"the spec has {what}; expected exactly one. {todo}")
    chain = read_chain(top["chain"], reader) if "chain" in top else None
    dag = read_dag(top["dag"], reader) if "dag" in top else None
    graph = None
    for draft in filter(None, (chain, dag)):
        try:
            graph = draft.graph()
        except FaultyGraphError as error:
            for node, fault in draft.located(error.faults):
                reader.messages.add(node, _worded(draft, node, fault))
    return graph


def _worded(draft: GraphDraft, node: LocatedNode, fault: GraphFault) -> str:
    """Write the message of a fault, in words of the spec where those say more."""
    path, text = written(node.path), fault.message
    match fault.place:
        case ("jacobians", int() as index, "shape"):
            right, left = draft.elementals[index - 1 : index + 1]
            before, here = (written(item.path) for item in draft.origins["jacobians"][index - 1 : index + 1])
            return (
                f"{here} '{left.name}' has {left.block.cols} columns, "
                f"but {before} '{right.name}' has {right.block.rows} rows; "
                "adjacent Jacobians must agree."
            )
        case ("jacobians", int() as index, "name"):
            name = draft.elementals[index].name
            first = [e.name for e in draft.elementals].index(name)
            taken = written(draft.origins["jacobians"][first].path)
            text = f"the name '{name}' is taken by {taken}; expected unique names. Rename one."
        case ("inputs" | "outputs" as part, int() as index):
            word = draft.parts[part][index]
            hint = "" if word in draft.sizes else did_you_mean(word, draft.sizes)
            text = f"{text} {hint}".rstrip()
    return f"{path}: {text}"
