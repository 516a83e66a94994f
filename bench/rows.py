"""The rows of a run and the CSV they are kept in: a dataclass per kind of suite, a column per field.

The file opens with lines `# key: value` that say on what machine and with which versions it was measured, so that the
report needs nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from io import StringIO
from typing import Any, TypeVar


@dataclass(frozen=True)
class Row:
    """One measurement.

    `task` is "order" (find an order; `cost` in multiplications) or "execute" (multiply; `cost` in fma). `status` is
    "ok", "published", or says why there is no figure. `ratio` is cost over optimum; `seconds` the best of `repeats`.
    """

    task: str
    instance: str
    family: str
    n: int
    solver: str
    seed: int
    status: str = "ok"
    cost: int | None = None
    optimum: int | None = None
    ratio: float | None = None
    seconds: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class DagRow:
    """One plan of a linearised DAG, or a published figure.

    `task` is "plan", "curve" for one of several runs with growing budgets, or "nodes" for one that `nodes` ended, with
    the compiled core or without it, as `core` says. `n` and `edges` count intermediate vertices and elementals, `cost`
    and `bound` are in fma, `budget` and `seconds` in seconds; `memory` is the most MiB held, where the planning had a
    process of its own. `status` is that of the result, "published", or says why there is no figure.
    """

    task: str
    instance: str
    family: str
    n: int
    edges: int
    solver: str
    seed: int = 0
    budget: float | None = None
    status: str = "published"
    cost: int | None = None
    bound: int | None = None
    seconds: float | None = None
    memory: int | None = None
    nodes: int | None = None
    core: str = ""


@dataclass(frozen=True)
class StructureRow:
    """A chain of mixed structures, or one order of it.

    `task` is "count": `fma` of the optimum, which is the least of all bracketings, and `dense_fma` of the order that is
    best for dense factors. Or "time": the price of an order in fma and in nanoseconds by two models, the least
    `seconds` of `repeats` runs, and in `chosen_by` who takes this order.
    """

    task: str
    instance: str
    n: int
    order: str = ""
    chosen_by: str = ""
    fma: int | None = None
    dense_fma: int | None = None
    weighted: int | None = None
    calibrated: int | None = None
    seconds: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class RepeatRow:
    """A chain of `q` factors of `n` rows, some of them equal, without and with products of equal factors made once.

    Costs and the bound on plans that share are in fma, `proof` names the class within which the plan is optimal.
    `*_seconds` are the least of `repeats` runs of both plans and of `numpy.linalg.matrix_power`, and the time of
    planning.
    """

    instance: str
    q: int
    n: int
    apart_fma: int
    shared_fma: int
    bound: int
    proof: str
    plan_seconds: float
    apart_seconds: float
    shared_seconds: float
    power_seconds: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class TorchRow:
    """The Jacobian of a PyTorch function at a batch of points: the least seconds of `repeats` timings of each way.

    `m`, `n` are rows and columns. `takes` says how chainplan computes it, `promise` is the predicted time of the better
    mode over that of the plan, 1 where no plan is used. `first` are the seconds of chainplan's first call.
    Ways that PyTorch batches wrongly have no seconds.
    """

    instance: str
    batch: int
    m: int
    n: int
    takes: str
    promise: float
    default_seconds: float
    jacrev_seconds: float
    jacfwd_seconds: float | None
    fx_jacrev_seconds: float | None
    fx_jacfwd_seconds: float | None
    first: float
    repeats: int


@dataclass(frozen=True)
class JaxRow:
    """The Jacobian of a function at a batch of points, by several ways.

    `status` is "ok" or says why nothing is timed. `task` and `group` are those of the function; `m`, `n` are rows and
    columns; `vertices` and `edges` those of the linearised graph. By `*_fma` what JAX's modes, elimination in both
    orders, the greedy order and the plan take for one point; `bound` and `proof` are those of the plan. `takes` says
    which of plan and modes the default setting chooses, `*_seconds` is the least of `repeats` timings, `*_first` the
    seconds before a first call runs, `*_memory` in bytes beside arguments and results; `peak` the bytes by which a
    process grew in a first call.
    """

    instance: str
    batch: int = 1
    status: str = "ok"
    task: str = "jacobian"
    group: str = ""
    m: int | None = None
    n: int | None = None
    vertices: int | None = None
    edges: int | None = None
    jacfwd_fma: int | None = None
    jacrev_fma: int | None = None
    forward_fma: int | None = None
    reverse_fma: int | None = None
    greedy_fma: int | None = None
    plan_fma: int | None = None
    bound: int | None = None
    proof: str = ""
    takes: str = ""
    plan_seconds: float | None = None
    default_seconds: float | None = None
    hand_seconds: float | None = None
    jacfwd_seconds: float | None = None
    jacrev_seconds: float | None = None
    hessian_seconds: float | None = None
    asdex_seconds: float | None = None
    sparsejac_seconds: float | None = None
    floor_seconds: float | None = None
    repeats: int = 0
    plan_first: float | None = None
    default_first: float | None = None
    jacfwd_first: float | None = None
    jacrev_first: float | None = None
    hessian_first: float | None = None
    asdex_first: float | None = None
    plan_memory: int | None = None
    default_memory: int | None = None
    jacfwd_memory: int | None = None
    jacrev_memory: int | None = None
    hessian_memory: int | None = None
    asdex_memory: int | None = None
    peak: int | None = None


@dataclass(frozen=True)
class ProgressRow:
    """What one search had at one moment: `event` is "plan" (a cheaper plan), "bound" (a better bound) or "end".

    `cost` and `bound` in fma are the best so far; `seconds` since the search began, of the `budget` that it had.
    """

    instance: str
    family: str
    n: int
    solver: str
    seed: int
    budget: float
    event: str
    seconds: float
    cost: int | None = None
    bound: int = 0


@dataclass(frozen=True)
class LimitRow:
    """What becomes of a plan where something is limited.

    `task` is "threads" (`level` workers run a plan in `seconds`, the least of `repeats`, and in
    that turn in `cpu` seconds of processors), "growth" (a chain of `level`
    factors is planned in `planning` seconds and run in `seconds`), "memory" (the plan within `level` elements), or
    "machines" (the makespan on `level` machines). `cost` and `bound` are in fma. `status` is "ok", that of the search
    for a schedule, "published", or says why there is no figure.
    """

    task: str
    instance: str
    solver: str
    level: int
    status: str = "ok"
    cost: int | None = None
    bound: int | None = None
    planning: float | None = None
    seconds: float | None = None
    cpu: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class ProductRow:
    """A chain of `factors` elementals that is multiplied by `products` vectors; costs are in fma.

    `cost` and `bound` are those of the plan, `setup` what it takes once, `each` what a product takes. `formed` is what
    J formed at its least cost and all products with it take, `free` what they take where nothing is formed. `planning`
    is in seconds of the processor.
    """

    instance: str
    factors: int
    products: int
    cost: int
    bound: int
    setup: int
    each: int
    formed: int
    free: int
    planning: float


@dataclass(frozen=True)
class BudgetRow:
    """What a command that was given `budget` seconds took.

    `task` is "plan", "report" or "front" (all of the command in `seconds`, `cpu` of processors, where `allowed` is the
    budget, a second, and what reading, checking and printing take), or "equal" (one solver by itself). `n` counts
    factors of a chain, intermediate vertices of another graph; `cost` and `bound` are in fma.
    """

    task: str
    instance: str
    n: int
    edges: int
    solver: str
    budget: float
    status: str = "ok"
    cost: int | None = None
    bound: int | None = None
    seconds: float | None = None
    cpu: float | None = None
    allowed: float | None = None


@dataclass(frozen=True)
class SizesRow:
    """The orders of a chain for ranges of sizes, compared with the optimum at sampled ones.

    `task` is "dense" or "structured" (two names), or "one name"; `q` counts factors, `guarantee` is the proven factor.
    Of `sizes` quotients to the optimum `equal` are 1, 95 % are at most `at_95` and all at most `worst`; finding and
    proving took `seconds` of a processor.
    """

    task: str
    instance: str
    q: int
    variants: int
    guarantee: float
    sizes: int
    equal: int
    at_95: float
    worst: float
    seconds: float


@dataclass(frozen=True)
class TargetRow:
    """One figure of a target beside its goal.

    `part` is the part of the report, `measured` says what the figure is, in `unit`, of `samples` instances, and `sense`
    whether the goal is the least or the most it is to be; `reached` is "yes", "no", or empty where one of the two is
    missing. `status` is "ok" or says why there is no figure. `core` is "as installed", or "off" where the compiled core
    was switched off. It took `seconds`, of these `cpu` of processors, in a process that has held `memory` MiB at most,
    while so many processes as `load` wanted the `cores` of the machine in the minute before.
    """

    target: str
    part: str
    core: str
    measured: str
    figure: float | None = None
    unit: str = ""
    sense: str = ""
    goal: float | None = None
    reached: str = ""
    status: str = "ok"
    samples: int = 1
    note: str = ""
    seconds: float | None = None
    cpu: float | None = None
    memory: int | None = None
    load: float | None = None
    cores: int | None = None


@dataclass(frozen=True)
class ProductTimeRow:
    """A Jacobian that is multiplied by vectors from the `right` and from the `left`, by three ways.

    `*_price` are the predicted nanoseconds and `*_seconds` the measured seconds of set-up and all products: of the
    operator, of the Jacobian formed by its best plan, and of all elementals applied by hand. `setup_seconds` and
    `forming_seconds` are those of the first two set-ups alone. Each part is the least of `repeats` timings.
    """

    instance: str
    right: int
    left: int
    operator_price: int
    formed_price: int
    free_price: int
    operator_seconds: float
    formed_seconds: float
    free_seconds: float
    setup_seconds: float
    forming_seconds: float
    repeats: int


@dataclass(frozen=True)
class CodeRow:
    """A function as scalar code: values and Jacobian, of `outputs` x `inputs` with `nonzeros`.

    Operations are counted over values and Jacobian, of CasADi after its `cse` by default and in either mode; SymPy's by
    its own `count_ops`, none where it took longer than its limit, which `sympy_generation` then is. Seconds of
    generation are of the processor. `c_seconds` are of a call of the C alone, `vector_seconds` of a point of code for
    eight at a time, `call_seconds` of a call from Python, `batch_seconds` of a point in a batch. CasADi's times are
    those of its fastest mode, and JAX's as well. `difference` is that of the Jacobians of chainplan and CasADi.
    """

    instance: str
    inputs: int
    outputs: int
    nonzeros: int
    values: int
    operations: int
    casadi_operations: int
    casadi_forward: int
    casadi_reverse: int
    sympy_operations: int | None
    generation: float
    casadi_generation: float
    sympy_generation: float
    c_seconds: float = 0.0
    casadi_c_seconds: float = 0.0
    vector_seconds: float = 0.0
    casadi_vector_seconds: float = 0.0
    call_seconds: float = 0.0
    jax_seconds: float = 0.0
    batch_seconds: float = 0.0
    jax_batch_seconds: float = 0.0
    difference: float = 0.0

    @property
    def casadi_best(self) -> int:
        """The operations of CasADi in the mode with the fewest."""
        return min(self.casadi_operations, self.casadi_forward, self.casadi_reverse)


@dataclass(frozen=True)
class BestRow:
    """The best known of a stored instance: what the plan file of its name costs, and a bound within `within`, in fma.

    `optimal` is whether the two meet. `n` counts factors of a chain, intermediate vertices of another graph.
    """

    suite: str
    instance: str
    family: str
    n: int
    cost: int
    bound: int
    within: str
    optimal: str
    solver: str
    fingerprint: str


AnyRow = TypeVar(
    "AnyRow",
    Row,
    DagRow,
    StructureRow,
    JaxRow,
    ProgressRow,
    LimitRow,
    ProductRow,
    BudgetRow,
    CodeRow,
    RepeatRow,
    SizesRow,
    TargetRow,
    ProductTimeRow,
    TorchRow,
    BestRow,
)

_READ: dict[Any, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "int | None": lambda text: int(text) if text else None,
    "float | None": lambda text: float(text) if text else None,
}


def ratio(cost: int, optimum: int) -> float:
    """cost / optimum, and 1.0 only where they are equal."""
    exact = Fraction(cost, optimum)
    rounded = float(exact)
    return rounded if rounded != 1.0 or exact == 1 else 1.0 + (2**-52 if exact > 1 else -(2**-53))


def to_csv(about: Mapping[str, str], rows: Sequence[AnyRow], kind: type[AnyRow]) -> str:
    """The text of a CSV file with rows of one kind."""
    out = StringIO()
    for key, value in about.items():
        out.write(f"# {key}: {value}\n")
    writer = csv.DictWriter(out, [f.name for f in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return out.getvalue()


def from_csv(text: str, kind: type[AnyRow]) -> tuple[dict[str, str], list[AnyRow]]:
    """What `to_csv` was given."""
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("# ")]
    about = {key: value for key, _, value in (line[2:].partition(": ") for line in head)}
    read = {f.name: _READ[f.type] for f in fields(kind)}
    entries = csv.DictReader(lines[len(head) :])
    return about, [kind(**{name: of(entry[name]) for name, of in read.items()}) for entry in entries]
