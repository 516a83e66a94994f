"""The problem: a linearised DAG with the limits that a plan must keep.

The fingerprint ties a saved plan to the problem that it solves. It covers everything that a plan's validity and cost
depend on, so two problems with the same fingerprint may exchange plans; the problem's name is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from chainplan.errors.arguments import expect, refuse, whole
from chainplan.problem.cost import FMA, CostModel, model_of
from chainplan.problem.graph import Elemental, Graph
from chainplan.problem.products import SIDES, Products
from chainplan.problem.second import HESSIAN_WORDS, SecondOrder, no_hessian, second_name, side_name
from chainplan.problem.systems import declared_graph
from chainplan.structures.second import Side


@dataclass(frozen=True)
class Problem:
    """A linearised DAG, the limits that a plan of it must keep, and the cost model to minimise.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    memory : int | None
        The most elements that may be alive at once: blocks, tapes, and states that the plan evaluates. None sets no
        limit.
    name : str | None
        The name that reports give to the problem.
    cost : CostModel
        The prices to minimise. The fingerprint leaves them out, because they do not change what a plan computes.
    recompute : bool
        True where the plan itself evaluates the states at which elementals are linearised, and counts the states that
        it holds (see `chainplan.plans.states`). Otherwise these states are given.
    disk : int | None
        The most elements of states on disk at once, where states are evaluated; None if there is no disk. What writing
        and reading costs says the `transfer` of the graph.
    products : Products | None
        The numbers of products with vectors, where the Jacobian is used for nothing else; None asks for the Jacobian.
    second : SecondOrder | None
        The second derivative, where that is asked for; None asks for the first.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> graph = chainplan.chain([2, 3, 4]).graph
    >>> Problem(graph, memory=30).to_spec()["limits"]
    {'memory': 30}
    """

    graph: Graph
    memory: int | None = None
    name: str | None = None
    cost: CostModel = FMA
    recompute: bool = False
    disk: int | None = None
    products: Products | None = None
    second: SecondOrder | None = None

    def __post_init__(self) -> None:
        expect("graph", self.graph, Graph, "a Graph", "Make a problem by chain, from_spec or read.")
        for what in ("memory", "disk"):
            limit = getattr(self, what)
            if limit is not None and type(limit) is not int:
                object.__setattr__(self, what, limit := whole(what, limit, most=None))
            if limit is not None and limit < 0:
                nothing = "limit" if what == "memory" else "disk"
                raise refuse(what, limit, f"elements from 0, or None for no {nothing}", "Correct it.")
        if self.name is not None:
            expect("name", self.name, str, "text, or None", "Pass name='model', say.")
        model_of(self.cost)
        if self.products is not None:
            example = "Pass products=Products(right=50), say."
            expect("products", self.products, Products, "Products, or None for the Jacobian itself", example)
            if self.recompute or self.disk is not None:
                expected = "states that are given, because every product is linearised at them"
                raise refuse("recompute", self.recompute, expected, "Leave it and disk out where there are products.")
        if any(e.implicit for e in self.graph.elementals) and (self.recompute or self.second is not None):
            what = "recompute" if self.recompute else "second"
            expected = "neither recompute nor second derivatives beside implicit systems"
            raise refuse(what, getattr(self, what), expected, "Leave it out.")
        if self.second is not None:
            expect("second", self.second, SecondOrder, "SecondOrder, or None", "Pass second=SecondOrder(), say.")
            if self.recompute or self.disk is not None:
                expected = "no recompute beside second derivatives"
                raise refuse("second", self.second, expected, "Leave it and disk out.")
            self._require_one_matrix()
            names = {e.name for e in self.graph.elementals} | {one.name for one in self.graph.mixed}
            if taken := sorted(names.intersection((*map(second_name, names), *self.second_sides))):
                expected = "another name, because a second derivative, weights or directions are given by this one"
                raise refuse("name", taken[0], expected, "Rename the elemental.")

    def _require_one_matrix(self) -> None:
        """Refuse products with a second derivative that is no symmetric matrix, or from its left."""
        products, second, graph = self.products, self.second, self.graph
        if products is None or second is None:
            return
        if products.left:
            expected = "products on the right alone, because H is symmetric and w·H is H·w"
            raise refuse("products", f"{products.left:,} on the left", expected, "Add them to those on the right.")
        if found := no_hessian(second, sum(graph.sizes[v] for v in graph.outputs)):
            raise refuse("products", found, HESSIAN_WORDS, "Ask for weights: true, or for directions alone.")

    @cached_property
    def second_sides(self) -> dict[str, tuple[int, int]]:
        """The names and shapes of the weights and directions that are given for a second derivative."""
        asked, graph = self.second, self.graph
        if asked is None:
            return {}
        shapes = {side_name(v, Side.ROWS): (1, graph.sizes[v]) for v in graph.outputs} if asked.weights else {}
        for side, count in ((Side.LEFT, asked.left), (Side.RIGHT, asked.right)):
            if count is not None:
                shapes |= {side_name(v, side): (graph.sizes[v], count) for v in graph.inputs}
        return shapes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the problem in its canonical JSON form, as hexadecimal digits."""
        spec = self.to_spec()
        spec.pop("name", None)
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def transpose(self) -> Problem:
        """Return the problem of the transposed Jacobian, which has the same optimum.

        Returns
        -------
        Problem
            The problem of the transposed graph, with the same limits; products change sides.

        Raises
        ------
        ArgumentError
            If second derivatives are asked for, of which there is no transpose.
        """
        if self.second is not None:
            raise refuse("second", self.second, "None, because only Jacobians have a transpose", "Leave it out.")
        products = None if self.products is None else self.products.transpose()
        return replace(self, graph=self.graph.transpose(), products=products)

    def to_spec(self) -> dict[str, Any]:
        """Return the problem in the grammar of a spec, from which it can be read again unchanged.

        Returns
        -------
        dict
            What `chainplan.from_spec` takes.
        """
        spec: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if _is_plain_chain(self.graph):
            spec["chain"] = [
                {"name": e.name, **({} if e.values else {"shape": [e.block.rows, e.block.cols]}), **_details(e)}
                for e in self.graph.elementals
            ]
        else:
            sizes, elementals, implicit = declared_graph(self.graph)
            spec["dag"] = {
                "sizes": dict(sizes),
                "inputs": list(self.graph.inputs),
                "outputs": list(self.graph.outputs),
                "jacobians": [{"name": e.name, "edge": [e.source, e.target], **_details(e)} for e in elementals],
                **({"implicit": implicit} if implicit else {}),
            }
            if self.graph.mixed:
                spec["dag"]["seconds"] = [one.to_spec() for one in self.graph.mixed]
        transfer = self.graph.transfer if self.disk is not None else None
        limits = {
            "memory": self.memory,
            "recompute": self.recompute or None,
            "disk": self.disk,
            "transfer": transfer,
        }
        if kept := {key: value for key, value in limits.items() if value is not None}:
            spec["limits"] = kept
        if self.products is not None:
            spec["products"] = {SIDES[mode]: times for mode, times in self.products.sides() if times}
        if self.second is not None:
            spec |= second_words(self.second)
        return spec


def problem_of(value: object) -> Problem:
    """Return a value that is a problem.

    Raises
    ------
    ArgumentError
        Where the value is something else; the message says how to make a problem of it.
    """
    if isinstance(value, Problem) and not hasattr(value, "ranges"):
        return value
    todo = _PROBLEM_SOURCES.get(type(value).__name__, "Make one by chain, from_spec or read.")
    raise refuse("problem", value, "a Problem", todo)


_PROBLEM_SOURCES = {
    "Graph": "Pass Problem(graph).",
    "Result": "Pass result.problem.",
    "SavedPlan": "Pass saved.problem.",
    "Program": "Pass program.problem.",
    "Family": "Pass family.at(name=size, ...) for one problem, or the family to chainplan.variants.",
    "Plan": "Pass Problem(plan.graph).",
    "DiGraph": "Pass from_networkx(graph).",
    "MultiDiGraph": "Pass from_networkx(graph).",
    "str": "Pass read(path) for a file.",
    "PosixPath": "Pass read(path) for a file.",
    "WindowsPath": "Pass read(path) for a file.",
    "dict": "Pass from_spec(spec).",
    "list": "Pass chain(items).",
    "tuple": "Pass chain(items).",
}
"""What a user should pass instead of a value of each type."""


def second_words(second: SecondOrder) -> dict[str, Any]:
    """Return what is asked of second derivatives, as a spec writes it."""
    directions = {side: count for side, count in (("left", second.left), ("right", second.right)) if count is not None}
    weights = {"weights": True} if second.weights else {}
    return {"derivative": 2, **weights, **({"directions": directions} if directions else {})}


def chain_vertex(position: int) -> str:
    """Return the name of the vertex x_i of a chain."""
    return f"x{position}"


def _is_plain_chain(graph: Graph) -> bool:
    """Say whether the graph is exactly what the `chain` grammar makes: x0 -> x1 -> ... -> xq and nothing else."""
    q = len(graph.elementals)
    return (
        graph.inputs == (chain_vertex(0),)
        and graph.outputs == (chain_vertex(q),)
        and len(graph.sizes) == q + 1
        and all(e.source == chain_vertex(i) and e.target == chain_vertex(i + 1) for i, e in enumerate(graph.elementals))
        and not any(e.implicit for e in graph.elementals)
    )


def _details(e: Elemental) -> dict[str, Any]:
    """Return the keys of an elemental in a spec beyond its name, its shape and its edge."""
    if e.values is not None:
        return {"same_as": e.values}
    result: dict[str, Any] = {}
    if e.block.structure.name != "dense":
        result["structure"] = e.block.structure.to_spec(e.block.rows, e.block.cols)
    if e.tangent is not None:
        result["tangent"] = e.tangent
    if e.adjoint is not None:
        result["adjoint"] = e.adjoint
    if e.tape:
        result["tape"] = e.tape
    if e.advance is not None:
        result["advance"] = e.advance
    if e.second is not None:
        result |= e.second.to_spec()
    return result
