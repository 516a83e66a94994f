"""A family of problems: sizes with names, each from a range, so that one spec stands for many problems.

A family is itself a `Problem`, the one at the least sizes, so that all that reads specs can hand it on; whatever plans
a single problem refuses it (`problem.problem_of`). It is well-formed at all sizes or at none, because blocks meet by
terms (`n`, `10*batch`) and not by numbers that happen to be equal: the front-end gives every term a number of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, NamedTuple

from chainplan.errors import ArgumentError
from chainplan.errors.arguments import whole
from chainplan.problem.graph import Elemental
from chainplan.problem.problem import Problem

MAX_SIZE_NAMES = 4
"""Names of sizes that a family may have."""

SizeRange = tuple[int, int]
"""The least and the largest size that a name stands for."""


class SizeTerm(NamedTuple):
    """A product of a whole number and names of sizes, such as 640*n; names stand in order, as often as they count."""

    coefficient: int
    names: tuple[str, ...] = ()

    def at(self, sizes: Mapping[str, Any]) -> Any:
        """Return the value, where names stand for whole numbers or for arrays of numbers."""
        return prod((sizes[name] for name in self.names), start=self.coefficient)

    def times(self, other: SizeTerm) -> SizeTerm:
        """Return the product with another term."""
        return SizeTerm(self.coefficient * other.coefficient, tuple(sorted(self.names + other.names)))

    def __str__(self) -> str:
        """Write the term as a spec does."""
        factors = [] if self.coefficient == 1 and self.names else [str(self.coefficient)]
        return "*".join([*factors, *self.names])


@dataclass(frozen=True)
class Family(Problem):
    """Problems that differ in the sizes that names stand for; as a problem it is the one at the least sizes.

    Specs with `ranges` make families, and `chainplan.variants` plans them.

    Parameters
    ----------
    ranges : Mapping[str, SizeRange]
        The least and the largest size of each name.
    sizes : Mapping[str, SizeTerm]
        The terms of the vertices whose size has a name.
    prices : Mapping[tuple[str, str], SizeTerm]
        The terms of prices, by the elemental and by `tangent`, `adjoint`, `tape` or `advance`.

    Examples
    --------
    >>> import chainplan
    >>> family = chainplan.chain(["n", 100, "2*n"], ranges={"n": [1, 1000]})
    >>> family.at(n=7).graph.sizes
    {'x0': 7, 'x1': 100, 'x2': 14}
    """

    ranges: Mapping[str, SizeRange] = field(default_factory=dict)
    sizes: Mapping[str, SizeTerm] = field(default_factory=dict)
    prices: Mapping[tuple[str, str], SizeTerm] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of sizes, in the order of the spec."""
        return tuple(self.ranges)

    def at(self, **sizes: int) -> Problem:
        """Return the problem at given sizes.

        Parameters
        ----------
        **sizes : int
            A size for each name, within its range.

        Returns
        -------
        Problem
            The problem, all of whose sizes are numbers.

        Raises
        ------
        ArgumentError
            If a name is missing or unknown, or a size is not in its range.
        """
        return self.at_point(self.point(sizes))

    def point(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return a size for each name, in the order of the names, checked.

        Parameters
        ----------
        sizes : Mapping[str, int]
            A size for each name, within its range.

        Returns
        -------
        dict
            The same sizes.

        Raises
        ------
        ArgumentError
            If a name is missing or unknown, or a size is not in its range.
        """
        expected = ", ".join(f"{name} from {low:,} to {high:,}" for name, (low, high) in self.ranges.items())
        for name in sizes.keys() ^ self.ranges.keys():
            found = "no range of this name" if name in sizes else "no size"
            raise ArgumentError(f"{name}: found {found}; expected sizes {expected}. Name each of them once.")
        point = {name: whole(name, sizes[name]) for name in self.ranges}
        for name, (low, high) in self.ranges.items():
            if not low <= point[name] <= high:
                raise ArgumentError(f"{name}: found {point[name]:,}; expected {expected}. Widen the range of the spec.")
        return point

    def at_point(self, point: Mapping[str, int]) -> Problem:
        """Return the problem at sizes that are known to be right.

        Parameters
        ----------
        point : Mapping[str, int]
            A size for each name, as `point` returns them.

        Returns
        -------
        Problem
            The problem, all of whose sizes are numbers.
        """
        sizes = {v: self.sizes[v].at(point) if v in self.sizes else size for v, size in self.graph.sizes.items()}
        elementals = tuple(self._elemental(e, sizes, point) for e in self.graph.elementals)
        graph = replace(self.graph, sizes=sizes, elementals=elementals)
        return Problem(graph, name=self.name, cost=self.cost)

    def _elemental(self, e: Elemental, sizes: Mapping[str, int], point: Mapping[str, int]) -> Elemental:
        """Return an elemental with the sizes and prices of a point."""
        block = e.block._replace(rows=sizes[e.target], cols=sizes[e.source])
        prices = {key: term.at(point) for (name, key), term in self.prices.items() if name == e.name}
        return replace(e, block=block, **prices)

    def corner(self, end: int) -> dict[str, int]:
        """Return the least or the largest size of each name.

        Parameters
        ----------
        end : int
            0 for the least sizes, 1 for the largest.

        Returns
        -------
        dict
            A size for each name.
        """
        return {name: ends[end] for name, ends in self.ranges.items()}

    def term(self, vertex: str) -> SizeTerm:
        """Return the size of a vertex as a term.

        Parameters
        ----------
        vertex : str
            A vertex of the graph.

        Returns
        -------
        SizeTerm
            The size, which may be a number alone.
        """
        return self.sizes.get(vertex) or SizeTerm(self.graph.sizes[vertex])

    def price(self, e: Elemental, key: str) -> SizeTerm | None:
        """Return a price of an elemental as a term.

        Parameters
        ----------
        e : Elemental
            An elemental of the graph.
        key : str
            Which price: `tangent`, `adjoint`, `tape` or `advance`.

        Returns
        -------
        SizeTerm | None
            The price, which may be a number alone; None where there is none.
        """
        number = getattr(e, key)
        return None if number is None else self.prices.get((e.name, key), SizeTerm(number))

    def to_spec(self) -> dict[str, Any]:
        """Return the family in the grammar of a spec, from which it can be read again unchanged.

        Returns
        -------
        dict
            What `chainplan.from_spec` takes.
        """
        spec = self.at_point(self.corner(1)).to_spec()  # where no width of a band is clipped that is not always clipped
        described = spec["chain"] if "chain" in spec else spec["dag"]["jacobians"]
        for e, item in zip(self.graph.elementals, described, strict=True):
            if "shape" in item:
                item["shape"] = [_plain(self.term(e.target)), _plain(self.term(e.source))]
            item.update({key: str(term) for (name, key), term in self.prices.items() if name == e.name})
        if "dag" in spec:
            spec["dag"]["sizes"] = {v: _plain(self.term(v)) for v in self.graph.sizes}
        spec["ranges"] = {name: list(ends) for name, ends in self.ranges.items()}
        return spec


def _plain(term: SizeTerm) -> int | str:
    return str(term) if term.names else term.coefficient
