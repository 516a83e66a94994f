"""A few plans for all sizes of a family, of which the cheapest is taken once the sizes are known.

The steps of a plan name elementals and other steps, but no sizes, so the same steps are a plan at all sizes; only their
prices change. Seeds of coloured sweeps hold one colour for each column of a block and are of one size, so that plans of
families have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from chainplan.errors import ArgumentError, PlanError
from chainplan.plans.bound import NO_BOUND, Bound
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.family import Family, SizeTerm

CHOSEN = "variants"
"""What stands for the solver of a plan that was chosen from variants."""


@dataclass(frozen=True)
class VariantRange:
    """Sizes `first` ... `last` of the one name, at which a variant, given by its position, is the cheapest plan."""

    first: int
    last: int
    variant: int


@dataclass(frozen=True, eq=False)
class Variants:
    """A few plans of a family, the cheapest of which is at all sizes within a proven factor of the optimum.

    `print(variants)` says so in a sentence, `chainplan.render(variants)` is the table of the variants.

    Parameters
    ----------
    family : Family
        The problems that the plans are for.
    plans : tuple[Plan, ...]
        The variants as plans at the least sizes; their steps are plans at all others.
    guarantee : float | None
        A proven factor: at no sizes of the ranges does the cheapest variant cost more than this many times the cheapest
        plan of the class; None where nothing is proven.
    within : str | None
        The class of plans within which the guarantee holds.
    best : tuple[VariantRange, ...]
        Where one size has a name and every size has its best plan: which variant it is, size by size.
    seed : int
        The seed of random numbers.
    seconds : float
        The time that finding the variants and proving the factor took.
    claimed : bool
        Whether the guarantee is what a file says.

    Examples
    --------
    >>> import chainplan
    >>> found = chainplan.variants(chainplan.chain(["n", 100, 1, 100, "n", 50], ranges={"n": [1, 1000]}))
    >>> len(found.plans), found.guarantee, [each.first for each in found.best]
    (2, 1.0, [1, 2])
    """

    family: Family
    plans: tuple[Plan, ...]
    guarantee: float | None
    within: str | None
    best: tuple[VariantRange, ...] = ()
    seed: int = 0
    seconds: float = 0.0
    claimed: bool = False

    def choose(self, **sizes: int) -> Result:
        """Return the cheapest variant at given sizes, as planning would return it.

        Parameters
        ----------
        **sizes : int
            A size for each name, within its range.

        Returns
        -------
        Result
            The problem at these sizes with the plan; its bound is what the proven factor says.

        Raises
        ------
        ArgumentError
            If a name is missing or unknown, or a size is not in its range.

        Examples
        --------
        >>> import chainplan
        >>> variants = chainplan.variants(chainplan.chain(["n", 100, 1, 100], ranges={"n": [1, 1000]}))
        >>> variants.choose(n=2).cost.fma, variants.choose(n=1000).cost.fma
        (400, 200000)
        """
        problem = self.family.at(**sizes)
        candidates = [Candidate(Plan(problem.graph, plan.steps, plan.outputs), problem.cost) for plan in self.plans]
        best = min(candidates, key=lambda candidate: candidate.price)
        bound = self._bound(best.price)
        status = bound.status(best.price)
        return Result(problem, CHOSEN, self.seed, self.seconds, status, best, bound, claimed=self.claimed)

    def _bound(self, price: int) -> Bound:
        """Return what the factor says of all plans where the cheapest variant has a price."""
        if self.guarantee is None:
            return NO_BOUND
        return Bound(ceil(price / Fraction(self.guarantee)), self.within)

    def choose_for(self, jacobians: Mapping[str, Any]) -> Result:
        """Return the cheapest variant for the sizes that the shapes of given Jacobians show.

        Parameters
        ----------
        jacobians : Mapping[str, Any]
            Arrays by name, as `chainplan.execute` takes them.

        Returns
        -------
        Result
            What `choose` returns at these sizes.

        Raises
        ------
        ArgumentError
            If a size follows from no array, or is not in its range.
        """
        found, shown = dict[str, int](), list(self._shown(jacobians))
        for _ in self.family.names:  # each round knows one name more, or all that follow
            for term, size in shown:
                new = set(term.names) - found.keys()
                known = term.at(found | dict.fromkeys(new, 1))
                if len(new) == 1 and known and size % known == 0:
                    (name,) = new
                    found[name] = _root(size // known, term.names.count(name))
        missing = next((name for name in self.family.names if name not in found), None)
        if missing is not None:
            text = f"{missing}: found no array whose shape shows this size; expected one."
            raise ArgumentError(f"{text} Choose the plan first: execute(variants.choose({missing}=...), jacobians).")
        return self.choose(**found)

    def _shown(self, jacobians: Mapping[str, Any]) -> Iterator[tuple[SizeTerm, int]]:
        """Yield the terms of sizes with names, each with what the shape of an array says of it."""
        for e in self.family.graph.elementals:
            shape = getattr(jacobians.get(e.name), "shape", ())
            vertices = (e.target, e.source) if len(shape) == 2 else (e.target,) if len(shape) == 1 else ()
            for vertex, size in zip(vertices, shape, strict=True):
                term = self.family.term(vertex)
                if term.names:
                    yield term, int(size)

    def prices_at(self, point: Mapping[str, int]) -> list[int]:
        """Return what each variant costs at given sizes.

        Parameters
        ----------
        point : Mapping[str, int]
            A size for each name, known to be within its range.

        Returns
        -------
        list
            The prices in the order of the variants.
        """
        problem = self.family.at_point(point)
        return [Candidate(Plan(problem.graph, p.steps, p.outputs), problem.cost).price for p in self.plans]

    @property
    def exact(self) -> bool:
        """Whether one of the variants is proven to be the cheapest plan of the class at all sizes."""
        return self.guarantee == 1

    def __str__(self) -> str:
        """Say in a sentence how many orders there are and how good they are."""
        count = len(self.plans)
        ranges = " and ".join(f"{name} from {low:,} to {high:,}" for name, (low, high) in self.family.ranges.items())
        orders, best = ("one order", "it") if count == 1 else (f"{count} orders", "the best of them")
        said = "claimed by the file: " if self.claimed else ""
        if self.guarantee is None:
            return f"For {ranges}, {said}{orders}; how far {best} may be from the cheapest plan is not proven."
        within = f" within {self.within}"
        if self.exact:
            is_cheapest = "it is" if count == 1 else f"one of {count} orders is"
            return f"For {ranges}, {said}{is_cheapest} the cheapest{within} at every size."
        never = f"never costs more than {ceil(self.guarantee * 1000) / 1000} times the cheapest"
        return f"For {ranges}, {said}{orders} will do: at every size {best} {never}{within}."


def _root(number: int, power: int) -> int:
    """Return the whole root nearest to that of a number; a wrong one does not fit the other shapes."""
    return number if power == 1 else round(number ** (1 / power))


def require_fixed(plan: Plan) -> Plan:
    """Return a plan whose steps are a plan at all sizes.

    Raises
    ------
    PlanError
        Where a step holds colours, which are of one size.
    """
    colours = next((i for i, step in enumerate(plan.steps) if hasattr(step, "colours")), None)
    if colours is not None:
        raise PlanError(f"step {colours}: a seed holds the colours of one size; expected steps for all sizes.")
    return plan
