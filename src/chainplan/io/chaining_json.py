"""Reads and writes chains as JSON in the words of the Jacobian-chaining codes of STCE at RWTH Aachen.

These codes (github.com/STCE-at-RWTH/Jacobian-Chaining, of arXiv 2406.11862 and 2505.06056) hold a chain as
`elemental_jacobians`, each with `n` inputs, `m` outputs, `tangent_cost`, `adjoint_cost` and `edges_in_dag`, the size of
its tape; their settings stand beside it. Such a document is turned into a spec, so that its errors have lines and the
rules of specs exist once. What a problem here does not hold is named in notes, and nothing is skipped silently.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from chainplan.errors import SpecError
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import LocatedNode, MappingNode, NodePath, ScalarNode, SequenceNode
from chainplan.io.located.reader import NodeReader
from chainplan.io.noted import noted
from chainplan.io.spec import read_problem
from chainplan.io.spec_draft import MAX_COST
from chainplan.problem.problem import Problem

CHAINING_KEY = "elemental_jacobians"
_CHAINING_COSTS = {"tangent_cost": "tangent", "adjoint_cost": "adjoint", "edges_in_dag": "tape"}
"""The keys of a spec for what an elemental Jacobian costs."""
_PLACES = ("i", "j")
"""Keys that number the vertices of an elemental Jacobian."""
_MARKS = ("kl", "ku", "non_zero_elements", "is_accumulated", "is_used")
"""Further keys of an elemental Jacobian, which no solver of these codes reads."""
_CHAINING_SETTINGS = ("available_threads", "available_memory", "matrix_free")
_RANDOM_SETTINGS = (
    "length", "size_range", "dag_size_range", "tangent_factor_range", "adjoint_factor_range", "density_range", "seed",
    "amount", "time_to_solve", "banded", "sparse", "id", "sub_chains", "optimized_costs", "fma_upper_bound",
)  # fmt: skip
"""Keys that say how chains are drawn and solved, or what was found."""


@dataclass
class _Ignored:
    """What a document states and a problem does not hold."""

    keys: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> tuple[str, ...]:
        if self.keys:
            self.notes.append(f"The file states more, which is not read: {', '.join(sorted(self.keys))}.")
        return tuple(self.notes)


def read_chaining(root: MappingNode, messages: SpecMessages) -> Problem:
    """Read a document with `elemental_jacobians`.

    Raises
    ------
    SpecError
        Where the document has errors; the message lists every error.
    """
    reader, ignored = NodeReader(messages), _Ignored()
    top = reader.fields(root, (CHAINING_KEY, "name", *_CHAINING_SETTINGS, *_RANDOM_SETTINGS)) or {}
    items = reader.items(top[CHAINING_KEY], "mappings with 'n' and 'm'") or ()
    free = _matrix_free(top, reader)
    chain = tuple(_item(item, free, reader, ignored, ((None, CHAINING_KEY), i)) for i, item in enumerate(items))
    threads, memory = (
        reader.whole(top[key], MAX_COST) if key in top else None for key in ("available_threads", "available_memory")
    )
    messages.finish()
    place = top[CHAINING_KEY]
    values: dict[str, LocatedNode] = {"chain": SequenceNode(place.path, place.line, place.column, chain)}
    if "name" in top:
        values["name"] = top["name"]
    keys = {key: (node.line, node.column) for key, node in values.items()}
    problem = read_problem(MappingNode(None, root.line, root.column, keys, values), messages)
    ignored.keys |= top.keys() & set(_RANDOM_SETTINGS)
    if threads is not None and threads != 1:
        asked = "as many as there are steps, by 0" if threads == 0 else f"{threads:,}"
        ignored.notes.append(f"available_threads asks for {asked}; plan with --machines for a schedule.")
    if memory:
        ignored.notes.append(
            f"available_memory is {memory:,} for the tape of each adjoint by itself; that is not read, because "
            "limits.memory counts all tapes and blocks alive at once. Set it where that is meant."
        )
    if not free:
        ignored.notes.append(
            "matrix_free is 0: the elemental Jacobians are given, and their accumulation is not priced."
        )
    return noted(problem, ignored.sentences())


def _matrix_free(top: dict[str, LocatedNode], reader: NodeReader) -> bool:
    """Read the setting, 0 or 1 in these codes; without it tangents and adjoints may be applied to blocks."""
    node = top.get("matrix_free")
    if node is None:
        return True
    if isinstance(node, ScalarNode) and node.text in ("0", "1", "true", "false"):
        return node.text in ("1", "true")
    reader.refuse(node, "0 or 1", "Write one of them.")
    return True


def _item(item: LocatedNode, free: bool, reader: NodeReader, ignored: _Ignored, path: NodePath) -> LocatedNode:
    """Turn an elemental Jacobian into an item of a chain."""
    known = ("n", "m", *_CHAINING_COSTS, *_PLACES, *_MARKS, "name")
    read = reader.fields(item, known, ("n", "m", "tangent_cost", "adjoint_cost") if free else ("n", "m"))
    if read is None or not isinstance(item, MappingNode) or not {"n", "m"} <= read.keys():
        return item
    ignored.keys |= read.keys() & set(_MARKS)
    shape = SequenceNode(item.path, item.line, item.column, (read["m"], read["n"]))
    values: dict[str, LocatedNode] = {"shape": shape}
    if free:
        values |= {word: read[key] for key, word in _CHAINING_COSTS.items() if key in read}
    else:
        ignored.keys |= read.keys() & set(_CHAINING_COSTS)
    if "name" in read:
        values["name"] = read["name"]
    keys = {key: (node.line, node.column) for key, node in values.items()}
    return MappingNode(item.path, item.line, item.column, keys, values)


def to_chaining(problem: Problem) -> str:
    """Write a chain in this form.

    Raises
    ------
    SpecError
        Where the form does not hold the problem: a graph, structures, explicit and matrix-free elementals together.
    """
    graph = problem.graph
    if graph.not_a_chain is not None:
        raise SpecError(f"this form holds chains, but {graph.not_a_chain}; expected a chain. Write a GraphML file.")
    if problem.products is not None or problem.second is not None or problem.recompute:
        raise SpecError("this form asks for a Jacobian at given states; expected nothing else. Write a spec.")
    free = [not e.explicit for e in graph.chain]
    if any(free) and not all(free):
        mixed = graph.chain[free.index(False)].name
        raise SpecError(f"'{mixed}' is explicit beside matrix-free elementals; expected one kind alone. Write a spec.")
    jacobians = []
    for place, e in enumerate(graph.chain):
        if e.block.structure.name != "dense":
            raise SpecError(f"'{e.name}' is {e.block.structure!r}; expected dense blocks alone. Write a spec.")
        if all(free) and (e.tangent is None or e.adjoint is None):
            lacking = "tangent" if e.tangent is None else "adjoint"
            raise SpecError(f"'{e.name}' has no {lacking}; expected both, as this form takes 0 for none. Write a spec.")
        costs = {"tangent_cost": e.tangent, "adjoint_cost": e.adjoint, "edges_in_dag": e.tape} if all(free) else {}
        own = {"name": e.name, "i": place, "j": place + 1, "n": e.block.cols, "m": e.block.rows}
        jacobians.append({**own, **costs})
    document = {} if problem.name is None else {"name": problem.name}
    lines = ",\n  ".join(json.dumps(each, ensure_ascii=False) for each in jacobians)
    head = "".join(f'"{key}": {json.dumps(value, ensure_ascii=False)},\n ' for key, value in document.items())
    return f'{{{head}"matrix_free": {int(all(free))},\n "{CHAINING_KEY}": [\n  {lines}\n ]}}\n'
