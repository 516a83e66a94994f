"""The rows of a suite of linearised DAGs, by instance and solver: ratios, gaps, disagreements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bench.markdown import distinct
from bench.rows import DagRow, ratio
from chainplan.plans import ratios as figures

REFERENCE = "auto"
"""The solver that a report is about."""
LEARNED = "alphagrad"
MARKOWITZ = ("markowitz_low", "markowitz_high")
KNOWN = ("best_known", "vertex_optimum")
PROVEN = "vertex_optimum"


class Results:
    """Rows by instance. Costs to compare with are None where there are none."""

    def __init__(self, rows: Sequence[DagRow]) -> None:
        self.rows = [row for row in rows if row.task == "plan"]
        self.curves = [row for row in rows if row.task == "curve"]
        self.done = [row for row in self.rows if row.cost is not None and row.status != "published"]
        self.solvers = distinct(row.solver for row in self.rows if row.status != "published")
        self.families = distinct(row.family for row in self.rows)
        self.instances = distinct(row.instance for row in self.rows)
        self.sizes = sorted({row.n for row in self.rows})
        self._costs: dict[tuple[str, str], int] = {}
        self._bounds: dict[str, int] = {}
        for row in self.rows + self.curves:
            if row.cost is not None and row.task == "plan":
                key = row.instance, row.solver
                self._costs[key] = min(row.cost, self._costs.get(key, row.cost))
            if row.bound is not None:
                self._bounds[row.instance] = max(row.bound, self._bounds.get(row.instance, 0))

    def of(self, solver: str, **where: str | int) -> list[DagRow]:
        """The rows of a solver with figures, where fields have these values."""
        return [
            row
            for row in self.done
            if row.solver == solver and all(getattr(row, key) == value for key, value in where.items())
        ]

    def cost(self, instance: str, *solvers: str) -> int | None:
        """The least cost that any of these solvers or published orders has on an instance."""
        found = [self._costs[instance, solver] for solver in solvers if (instance, solver) in self._costs]
        return min(found, default=None)

    def bound(self, instance: str) -> int:
        """The best bound that any solver has proven on an instance."""
        return self._bounds.get(instance, 0)

    def baseline(self, row: DagRow) -> int | None:
        """The cheaper of forward and reverse order on the instance of a row."""
        return self.cost(row.instance, "forward", "reverse")

    def keys(self, row: DagRow) -> int | None:
        """The best greedy order by any key on the instance of a row."""
        return self.cost(row.instance, "greedy")

    def markowitz(self, row: DagRow) -> int | None:
        """The cheaper of the Markowitz orders with ties to the lowest and to the highest vertex."""
        return self.cost(row.instance, *MARKOWITZ)

    def learned(self, row: DagRow) -> int | None:
        """The published learned order on the instance of a row."""
        return self.cost(row.instance, LEARNED)

    def known(self, row: DagRow) -> int | None:
        """The least published cost on the instance of a row."""
        return self.cost(row.instance, *KNOWN)

    def skipped(self) -> list[str]:
        """Why solvers have no figures, each reason once; a refusal counts as one whatever its numbers."""
        reasons = (
            f"`{row.solver}`: {row.status.removeprefix('not run: ').split('; ')[-1]}"
            for row in self.rows
            if row.status.startswith("not run")
        )
        return distinct(reasons)

    def disagreements(self) -> Iterator[str]:
        """What cannot be: bounds above costs, proofs above other costs or beside a published optimum, failures."""
        for row in self.rows + self.curves:
            name = f"`{row.solver}` on `{row.instance}`"
            if row.status.startswith("failed"):
                yield f"{name} {row.status}"
            least = self.cost(row.instance, *self.solvers)
            if row.bound is not None and least is not None and row.bound > least:
                yield f"{name} has bound {row.bound:,}, above the cost {least:,}"
            if row.status == "optimal" and row.cost is not None:
                optimum = self.cost(row.instance, PROVEN)
                if optimum is not None and row.cost != optimum:
                    yield f"{name} proves {row.cost:,}, the published optimum is {optimum:,}"


Reference = Callable[[DagRow], int | None]


def ratios(rows: Iterable[DagRow], reference: Reference) -> list[float]:
    """Costs over those to compare with, where there are any; 1 where they are equal, even to 0."""
    found = []
    for row in rows:
        cost, other = row.cost, reference(row)
        if cost is not None and cost == other:
            found.append(1.0)
        elif cost and other:
            found.append(ratio(cost, other))
    return found


def gap(cost: int | None, bound: int | None) -> float | None:
    """How far a cost may be above the optimum, as a share of it; None where one of them is not known."""
    return figures.gap(cost, bound) if bound else None
