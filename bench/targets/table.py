"""The table of targets. A new one is one line: a name, the part of the report it stands in, and what measures it.

The limits of time keep a run that reaches its goals below 25 minutes on two cores: a search that proves ends early, and
proof rates are taken of a sample of graphs.
"""

from __future__ import annotations

from functools import partial

from bench.targets import chains, graphs, others
from bench.targets.target import Target

PROOFS, BOUNDS, LARGE = "Proofs", "Bounds", "Large graphs"
MATRIX_FREE, CHAINS, SCHEDULES = "Matrix-free graphs", "Chains", "Schedules"
PARTS = (PROOFS, BOUNDS, LARGE, MATRIX_FREE, CHAINS, SCHEDULES)


def _proofs(n: int, block: bool, units: bool, compiled: bool = True) -> Target:
    words = ("block" if block else "scalar", "units" if units else "plain", *(() if compiled else ("python",)))
    measure = partial(graphs.proof_rate, n=n, block=block, units=units)
    return Target("-".join(("proofs", str(n), *words)), PROOFS, measure, limit=900.0, compiled=compiled)


TARGETS: tuple[Target, ...] = (
    *(_proofs(n, block, units) for n in (40, 60, 80, 100) for units in (False, True) for block in (False, True)),
    *(_proofs(n, True, units, compiled=False) for n in (40, 60) for units in (False, True)),
    Target("economics", PROOFS, graphs.economy),
    Target("roe-unit-free", PROOFS, partial(graphs.published_gap, name="RoeFlux_1d/unit_free")),
    Target("roe-plain", PROOFS, partial(graphs.published_gap, name="RoeFlux_1d/plain")),
    Target("black-scholes", PROOFS, partial(graphs.published_gap, name="BlackScholes_Jacobian_vmap1/plain")),
    Target("black-scholes-free", PROOFS, partial(graphs.published_gap, name="BlackScholes_Jacobian_vmap1/unit_free")),
    Target("mlp-unit-free", PROOFS, partial(graphs.published_gap, name="MLP_scalarized/unit_free")),
    Target("propane-reduced", BOUNDS, partial(others.function_bound, name="propane-reduced", goal=12)),
    Target("propane-full", BOUNDS, partial(others.function_bound, name="propane-full", goal=29)),
    Target("helmholtz", BOUNDS, partial(others.function_bound, name="helmholtz", goal=109)),
    Target("helmholtz-potentials", BOUNDS, partial(others.function_bound, name="helmholtz-potentials", goal=404)),
    Target("robot-arm", BOUNDS, partial(others.function_bound, name="robot-arm", goal=43)),
    Target("roe-1d", BOUNDS, partial(others.function_bound, name="roe-1d", goal=60)),
    Target("gap-1000", LARGE, partial(graphs.stored_gaps, n=1000, seconds=10.0, goal=0.4), limit=300.0),
    Target("gap-10000", LARGE, partial(graphs.stored_gaps, n=10_000, seconds=20.0, goal=0.6), limit=300.0),
    Target("cost-residual", LARGE, partial(graphs.cost_in_less, name="residual_1000_block", before=75_116)),
    Target("cost-global", LARGE, partial(graphs.cost_in_less, name="global_1000_block", before=254_717)),
    Target("cost-local", LARGE, partial(graphs.cost_in_less, name="local_1000_block", before=391_199)),
    Target("vertices-100000", LARGE, graphs.huge),
    Target("skip-to-output", MATRIX_FREE, partial(others.skip, target="y", goal=60_000)),
    Target("skip-to-inner", MATRIX_FREE, partial(others.skip, target="g", goal=1_040_000)),
    Target("simulations", MATRIX_FREE, others.simulations, limit=300.0),
    Target("second-output", MATRIX_FREE, others.second_output),
    Target("patterns-5", CHAINS, partial(chains.patterns, count=5, n=20_000, goal=5.0)),
    Target("patterns-10", CHAINS, partial(chains.patterns, count=10, n=100_000, goal=10.0)),
    Target("structured-100", CHAINS, partial(chains.structured, q=100, goal=0.01)),
    Target("structured-300", CHAINS, partial(chains.structured, q=300, goal=0.06)),
    Target("structured-1000", CHAINS, partial(chains.structured, q=1000, goal=1.0)),
    Target("structured-1000-python", CHAINS, partial(chains.structured, q=1000, goal=2.0), compiled=False),
    Target("dense-100000", CHAINS, partial(chains.dense, q=100_000, seconds=1.2, memory=None)),
    Target("dense-1000000", CHAINS, partial(chains.dense, q=1_000_000, seconds=15.0, memory=1024.0), limit=200.0),
    Target("first-execution", CHAINS, chains.first_execution),
    Target("recompute-85000", CHAINS, partial(chains.recomputed, q=85_000, states=100)),
    Target("schedules-50", SCHEDULES, partial(others.schedules, q=50)),
    Target("schedules-75", SCHEDULES, partial(others.schedules, q=75)),
    Target("schedules-100", SCHEDULES, partial(others.schedules, q=100)),
)
"""Every target, in the order of the run."""
