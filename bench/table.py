"""The table of suites: how each is measured, and what its CSV becomes. A new suite is one line.

What a suite measures (its instances, solvers, budgets) stands in a table of its own kind, `bench.suites` and others,
and is looked up there whenever it is run; here is what is done with it. Reports, charts and claims are functions of the
rows, so that all of them can be written again from the CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Generic

from bench.analyse import report_text
from bench.budgets import BUDGET_SUITES, run_budgets
from bench.budgets_report import budget_pictures, budget_report_text
from bench.claims import (
    Claim,
    chain_claims,
    dag_claims,
    jax_claims,
    limit_claims,
    product_claims,
    repeat_claims,
    size_claims,
    structure_claims,
)
from bench.code.report import code_claims, code_report_text
from bench.code.run import CODE_SUITES, run_code
from bench.dag_report import dag_report_text
from bench.dag_run import run_dags
from bench.dag_suites import DAG_SUITES
from bench.jax_report import jax_report_text
from bench.jax_suite import JAX_SUITES, run_jax
from bench.limits import LIMIT_SUITES, run_limits
from bench.limits_report import limit_pictures, limit_report_text
from bench.pictures import Picture, chain_pictures, dag_pictures, files, jax_pictures, section, structure_pictures
from bench.product_times import PRODUCT_TIME_SUITES, run_product_times
from bench.product_times_report import product_time_claims, product_time_report_text
from bench.products import PRODUCT_SUITES, run_products
from bench.products_report import product_pictures, product_report_text
from bench.progress import PROGRESS_SUITES, run_progress
from bench.progress_report import progress_pictures, progress_report_text
from bench.repeats import REPEAT_SUITES, run_repeats
from bench.repeats_report import repeat_report_text
from bench.rows import (
    AnyRow,
    BudgetRow,
    CodeRow,
    DagRow,
    JaxRow,
    LimitRow,
    ProductRow,
    ProductTimeRow,
    ProgressRow,
    RepeatRow,
    Row,
    SizesRow,
    StructureRow,
    TargetRow,
    TorchRow,
    from_csv,
    to_csv,
)
from bench.run import run_suite
from bench.sizes import SIZES_SUITES, run_sizes
from bench.sizes_report import sizes_report_text
from bench.structure import STRUCTURE_SUITES, run_structures
from bench.structure_report import structure_report_text
from bench.suites import SUITES
from bench.targets.report import target_claims, target_report_text
from bench.targets.run import TARGET_SUITES, run_targets
from bench.torch_report import torch_claims, torch_report_text
from bench.torch_suite import TORCH_SUITES, run_torch
from chainplan.errors import missing_extra

Say = Callable[[str], None]


@dataclass(frozen=True)
class Entry(Generic[AnyRow]):
    """A suite: its name, the table it stands in, how it is measured, the kind of its rows and what they become.

    `measure` gives what it was measured on and the rows, or these again and again as they become more. `text` takes
    the suite, what it was measured on, the rows, and the lines of the section of charts. `budgeted` says whether
    `--budget` means anything to it, `parted` whether `--only` does, `sampled` whether `--samples` does.
    """

    name: str
    suites: Mapping[str, Any]
    measure: Callable[[Any, Say], tuple[dict[str, str], list[AnyRow]] | Iterator[tuple[dict[str, str], list[AnyRow]]]]
    kind: type[AnyRow]
    text: Callable[[Any, Mapping[str, str], Sequence[AnyRow], Sequence[str]], str]
    pictures: Callable[[Sequence[AnyRow]], list[Picture]]
    claims: Callable[[Sequence[AnyRow]], list[Claim]] = lambda rows: []
    missing: Callable[[Any], str | None] = lambda suite: None
    budgeted: bool = False
    parted: bool = False
    sampled: bool = False

    def run(
        self, quick: bool, say: Say, budget: float | None = None, only: tuple[str, ...] = (), samples: int | None = None
    ) -> Iterator[str]:
        """The CSV of a run, first of what there is before its end; none, and why, where the suite cannot be run."""
        suite = self.suites[self.name]
        suite = suite.quick() if quick else suite
        reason = self.missing(suite)
        if reason is not None:
            say(f"{self.name} skipped: {reason}")
            return
        if budget is not None and self.budgeted:
            suite = replace(suite, budget=budget)
        if self.parted and only:
            suite = suite.only(only)
        if self.sampled and samples:
            suite = suite.sampled(samples)
        found = self.measure(suite, say)
        for about, rows in [found] if isinstance(found, tuple) else found:
            yield to_csv(about, rows, self.kind)

    def report(self, stem: str, csv: str) -> dict[str, str]:
        """The files of a report by name, from the text of a CSV; their names begin with `stem`."""
        about, rows = from_csv(csv, self.kind)
        pictures = self.pictures(rows)
        text = self.text(self.suites[self.name], about, rows, section(stem, pictures))
        return {f"{stem}.md": text, **files(stem, pictures)}

    def claimed(self, csv: str) -> list[Claim]:
        """What the page of benchmarks says of the suite."""
        return self.claims(from_csv(csv, self.kind)[1])


def _no_jax(suite: Any) -> str | None:
    return None if find_spec("jax") else missing_extra("this suite", "JAX", "jax")


def _no_torch(suite: Any) -> str | None:
    return None if find_spec("torch") else missing_extra("this suite", "PyTorch", "torch")


def _no_code(suite: Any) -> str | None:
    for package, words in (("casadi", "CasADi"), ("sympy", "SymPy")):
        if find_spec(package) is None:
            return missing_extra("this suite", words, "codegen")
    return _no_jax(suite)


def _dags(name: str) -> Entry[DagRow]:
    return Entry(
        name,
        DAG_SUITES,
        run_dags,
        DagRow,
        dag_report_text,
        dag_pictures,
        partial(dag_claims, moves=DAG_SUITES[name].moves),
        missing=lambda suite: suite.missing(),
        budgeted=True,
    )


def _progress(name: str) -> Entry[ProgressRow]:
    parts = (run_progress, ProgressRow, progress_report_text, progress_pictures)
    return Entry(name, PROGRESS_SUITES, *parts, budgeted=True)


TABLE: dict[str, Entry[Any]] = {
    entry.name: entry
    for entry in (
        Entry("chains", SUITES, run_suite, Row, report_text, chain_pictures, chain_claims),
        _dags("dags-published"),
        _dags("dags-random"),
        _dags("dags-matrix-free"),
        _progress("dags-progress"),
        Entry(
            "structure",
            STRUCTURE_SUITES,
            run_structures,
            StructureRow,
            structure_report_text,
            structure_pictures,
            structure_claims,
        ),
        Entry("jax", JAX_SUITES, run_jax, JaxRow, jax_report_text, jax_pictures, jax_claims, _no_jax, parted=True),
        Entry(
            "torch",
            TORCH_SUITES,
            run_torch,
            TorchRow,
            torch_report_text,
            lambda rows: [],
            torch_claims,
            _no_torch,
            parted=True,
        ),
        Entry(
            "code",
            CODE_SUITES,
            run_code,
            CodeRow,
            code_report_text,
            lambda rows: [],
            code_claims,
            _no_code,
            parted=True,
        ),
        Entry("limits", LIMIT_SUITES, run_limits, LimitRow, limit_report_text, limit_pictures, limit_claims),
        Entry(
            "products-time",
            PRODUCT_TIME_SUITES,
            run_product_times,
            ProductTimeRow,
            product_time_report_text,
            lambda rows: [],
            product_time_claims,
        ),
        Entry(
            "repeats", REPEAT_SUITES, run_repeats, RepeatRow, repeat_report_text, lambda rows: [], claims=repeat_claims
        ),
        Entry(
            "products",
            PRODUCT_SUITES,
            run_products,
            ProductRow,
            product_report_text,
            product_pictures,
            product_claims,
        ),
        Entry(
            "products-graphs",
            PRODUCT_SUITES,
            run_products,
            ProductRow,
            product_report_text,
            product_pictures,
            product_claims,
        ),
        Entry("budgets", BUDGET_SUITES, run_budgets, BudgetRow, budget_report_text, budget_pictures),
        Entry("sizes", SIZES_SUITES, run_sizes, SizesRow, sizes_report_text, lambda rows: [], claims=size_claims),
        Entry(
            "targets",
            TARGET_SUITES,
            run_targets,
            TargetRow,
            target_report_text,
            lambda rows: [],
            target_claims,
            parted=True,
            sampled=True,
        ),
    )
}
"""Every suite by name."""

GROUPS: dict[str, tuple[str, ...]] = {
    "all": tuple(TABLE),
    "dags": tuple(name for name in TABLE if name.startswith("dags-")),
}
"""Names that stand for several suites."""


def chosen(name: str) -> list[Entry[Any]]:
    """The suites that a name stands for."""
    return [TABLE[one] for one in GROUPS.get(name, (name,))]
