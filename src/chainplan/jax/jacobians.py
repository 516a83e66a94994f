"""jacobian(f): trace, plan, emit; JAX's own modes where a plan promises too little.

A plan depends on the linearised graph alone, so that plans are kept by the fingerprint of their problem: another
function of the same graph, or the same function at other values, is not planned again. What a plan saves is predicted
in multiply-adds. Below `gain` the plan is not worth losing what XLA makes of the plain modes. The plan must save that
share by two counts: that of the planner, and that of the blocks as they are held, because a listed pattern is counted
by its nonzeros but held as a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Real
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import jax
import numpy as np

from chainplan._util.byte_cache import bytes_of, kept
from chainplan.errors import PlanError
from chainplan.io.plan_file import SavedPlan
from chainplan.io.read import read_plan
from chainplan.jax.call import FlatCall, by_jax, flattened, has_integers
from chainplan.jax.emit import held_fma
from chainplan.jax.errors import DifferentiationError, NotLinearised
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.memory_limit import within
from chainplan.jax.standalone import closes_over_traced, linearised_call, program
from chainplan.jax.strategies import JacobianStrategy, dtype_of, evaluated
from chainplan.jax.tuning import batch_of, fastest
from chainplan.jax.types import Tree
from chainplan.planner import plan as find_plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.compressed_sweep import per_vector
from chainplan.plans.result import Result
from chainplan.plans.steps import Load, Plan
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem

MIN_PLAN_GAIN = 0.2
"""The share of the multiply-adds of the better mode that a plan must save to be used. Of the benchmark functions that
save less, as many are slower by the plan as are faster (`bench/reports/jax.md`)."""
MAX_JAX_BLOCK_ENTRIES = 50_000_000
"""The most entries, written out, of a block that a plan may make where the Jacobian itself is smaller."""
MAX_COMPILED_STEPS = 1500
"""The number of steps of the longest plan that is used: XLA compiles some hundred of them a second."""

_HELD_FMA: WeakKeyDictionary[Plan, int] = WeakKeyDictionary()
_PROVEN_FINGERPRINTS: WeakKeyDictionary[Plan, str] = WeakKeyDictionary()


class JacobianSettings(NamedTuple):
    """The options by which a Jacobian is planned and a way to it chosen."""

    solver: str = "auto"
    budget: float | None = 1.0
    objective: str | None = None
    plan: Candidate | None = None
    tune: bool = False
    gain: float | None = MIN_PLAN_GAIN
    memory: int | None = None


def jacobian(
    f: Callable[..., Tree],
    argnums: int | Sequence[int] = 0,
    *,
    solver: str = "auto",
    budget: float | None = 1.0,
    objective: str | None = None,
    has_aux: bool = False,
    plan: Plan | Result | SavedPlan | str | Path | None = None,
    tune: bool = False,
    gain: float | None = MIN_PLAN_GAIN,
    memory: int | None = None,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Tree]:
    """Make the Jacobian of a function by the cheapest order; it is called, and shaped, like `jax.jacrev(f, argnums)`.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.
    solver : str
        The name of a solver, as for `chainplan.plan`.
    budget : float | None
        The seconds that the search for a plan may take, at the first call of each graph. The search ends earlier where
        a plan is proven optimal. None sets no limit.
    objective : str | None
        The objective that is minimised, as for `chainplan.plan`.
    has_aux : bool
        Whether f returns a pair: the result that is differentiated, and auxiliary data that is passed on.
    plan : Plan | Result | SavedPlan | str | Path | None
        A plan for the graph of f that was found before, or the plan file that holds it. It is proved right at the first
        call, and it is used whatever it saves.
    tune : bool
        Whether the plan, jacfwd and jacrev are timed at the first call of each graph, and the fastest is kept. Under
        `vmap` they are timed on a batch of that size. The batch must be visible, as in
        `jit(vmap(jacobian(f, tune=True)))`; `vmap(jit(jacobian(f, tune=True)))` is timed on a single point.
    gain : float | None
        The share of the multiply-adds of the better mode that a plan must save; where it saves less, jacfwd or jacrev
        is used. None uses the plan whatever it saves.
    memory : int | None
        The bytes that one call, compiled on its own, may take beside its arguments and result; seeds are sent in chunks
        as large as that allows. Under `jax.vmap` the limit holds for each call of the batch.
    holomorphic : bool
        Whether f is a holomorphic function of complex arrays, which is left to JAX's modes.
    allow_int : bool
        Whether arguments may be integers, by which all derivatives are zero; such a call is left to JAX's modes.

    Returns
    -------
    Callable[..., Tree]
        A function of the arguments of f. Like `jax.jacrev(f)` it traces at every call: wrap it in `jax.jit`.

    Raises
    ------
    DifferentiationError
        If f is no function; at a call: if an argument or a result is not real, or JAX has no derivative.
    PlanError
        If an option is not of its kind; at a call: if the plan given is for another graph or wrong, or nothing fits
        the memory.
    SpecError
        If the plan is given as a file that cannot be read.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> jacobian(lambda x: x**2)(jnp.array([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    argnums = _integers(argnums)
    if not callable(f):
        raise DifferentiationError(f"f: found {f!r:.60}; expected a function of arrays. Pass the function itself.")
    if gain is not None and not _is_number(gain):
        raise PlanError(f"gain: found {gain!r}; expected a share such as 0.2, or None to take any plan. Write one.")
    if budget is not None and not (_is_number(budget) and budget >= 0):
        raise PlanError(f"budget: found {budget!r}; expected seconds from 0, or None for no limit. Write budget=1.0.")
    if memory is not None and (isinstance(memory, bool) or not isinstance(memory, int) or memory < 0):
        raise PlanError(f"memory: found {memory!r}; expected a whole number of bytes. Write memory=64 * 2**20.")
    settings = JacobianSettings(solver, budget, objective, _candidate_of(plan), tune, gain, memory)
    if holomorphic and (plan is not None or memory is not None):
        raise PlanError(
            "holomorphic: found a plan or a limit of memory beside it; expected neither, because Jacobians of complex "
            "functions are left to JAX's modes. Leave it out, or pass real and imaginary parts as two real arrays."
        )

    @wraps(f)
    def jacobian_of_f(*args: Tree, **kwargs: Tree) -> Tree:
        options = {"argnums": argnums, "has_aux": has_aux, "holomorphic": holomorphic}
        if holomorphic:
            return by_jax(f, "jacrev", args, kwargs, **options)
        if allow_int and has_integers(args, argnums):
            return jax.jacrev(f, allow_int=True, **options)(*args, **kwargs)
        call = flattened(f, argnums, has_aux, args, kwargs)
        linearised, way = chosen(call, settings)
        if way.name != "plan" and way.chunk is None:
            made = by_jax(f, way.name, args, kwargs, argnums=argnums, has_aux=has_aux)
            return (call.as_jacrev(made[0]), made[1]) if has_aux else call.as_jacrev(made)
        blocks, computed = evaluated(linearised, call, way, call.leaves)
        nested = call.as_jacrev(call.nested(blocks))
        return (nested, call.passed_on(computed)) if has_aux else nested

    return jacobian_of_f


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _integers(argnums: Tree) -> Tree:
    """Make integers of numpy those of Python; return everything else unchanged."""
    if isinstance(argnums, list | tuple):
        return tuple(map(_integers, argnums))
    return int(argnums) if isinstance(argnums, np.integer) else argnums


def _candidate_of(given: Plan | Result | SavedPlan | str | Path | None) -> Candidate | None:
    """Return the plan that was given, in whatever form it was given."""
    if given is None:
        return None
    if isinstance(given, Plan):
        return Candidate(given, FMA)
    holder = read_plan(given) if isinstance(given, str | Path) else given
    if not isinstance(holder, Result | SavedPlan):
        raise PlanError(
            f"plan: found {given!r:.60}; expected a plan, the result of chainplan.plan, or the path of a plan file. "
            "Pass one of those, or leave it out."
        )
    if holder.candidate is None:
        raise PlanError("plan: found a result without a plan; expected one that holds a plan. Plan it anew.")
    return holder.candidate


def chosen(call: FlatCall, settings: JacobianSettings) -> tuple[LinearisedFunction | None, JacobianStrategy]:
    """Return the linearised function of a call, None where it has none, and the way to its Jacobian."""
    try:
        linearised = linearised_call(call)
    except NotLinearised:
        modes = [JacobianStrategy("jacrev"), JacobianStrategy("jacfwd")]
        return None, modes[0] if settings.memory is None else within(call, modes, settings.memory)
    ways = _ways(linearised, call, settings)
    if settings.memory is None or linearised.graph is None:
        return linearised, ways[0]
    return linearised, _fitted(linearised, call, ways, settings.memory)


def _ways(linearised: LinearisedFunction, call: FlatCall, settings: JacobianSettings) -> list[JacobianStrategy]:
    """Return the ways to compute the Jacobian, the best one first."""
    problem = linearised.problem()
    if problem is None:
        return [JacobianStrategy("plan")]
    if settings.plan is not None:
        return [JacobianStrategy("plan", _proved(settings.plan, problem))]
    result = planned(problem, settings)
    modes = [(price, JacobianStrategy(name)) for price, name in modes_of(problem.graph)]
    plain = [way for _, way in modes]
    if result.candidate is None or result.cost is None:
        return plain or [JacobianStrategy("jacrev")]
    by_plan = JacobianStrategy("plan", result.candidate)
    if not modes or settings.gain is None:
        return [by_plan, *plain]
    ways = plain if too_large(result) else [by_plan, *plain]
    if settings.tune:
        best = _tuned(linearised, call, ways, settings)
        return [best, *(way for way in ways if way is not best)]
    if ways is plain:
        return plain
    most = (1 - settings.gain) * modes[0][0]
    if result.cost.fma > most or _held_fma(linearised, result.candidate, call) > most:
        return [*plain, by_plan]
    return [by_plan, *plain]


def planned(problem: Problem, settings: JacobianSettings) -> Result:
    """Plan a problem, or return the kept result of having planned it."""
    key = "plan", problem.fingerprint, settings.solver, settings.budget, settings.objective

    def find() -> Result:
        return find_plan(problem, settings.solver, budget=settings.budget, objective=settings.objective)

    return kept(key, find, lambda result: bytes_of(result.plan) + bytes_of(problem.graph))


def _proved(candidate: Candidate, problem: Problem) -> Candidate:
    """Prove that a plan that was given computes the Jacobian of this graph, and return it."""
    plan = candidate.plan
    if Problem(plan.graph).fingerprint != problem.fingerprint:
        raise PlanError("plan: it is for another graph than that of the function at these shapes. Plan it anew.")
    if plan not in _PROVEN_FINGERPRINTS:
        prove(candidate, problem)
        _PROVEN_FINGERPRINTS[plan] = problem.fingerprint
    return candidate


def too_large(result: Result) -> bool:
    """Say whether a plan is too long to be compiled, or makes a block that is too large to be written out.

    The Jacobian itself is always written out.
    """
    if result.replay is None or result.plan is None or len(result.plan.steps) > MAX_COMPILED_STEPS:
        return True
    sizes = [typed.block.rows * typed.block.cols for typed in result.replay.blocks]
    ends = {output.step for output in result.plan.outputs}
    steps = zip(result.plan.steps, sizes, strict=True)
    made = [size for place, (step, size) in enumerate(steps) if not isinstance(step, Load) and place not in ends]
    return max(made, default=0) > max([MAX_JAX_BLOCK_ENTRIES, *(sizes[place] for place in ends)])


def _held_fma(linearised: LinearisedFunction, candidate: Candidate, call: FlatCall) -> int:
    """Count the multiply-adds of a plan as its blocks are held; the count is kept for as long as the plan lives."""
    plan = candidate.plan
    if plan not in _HELD_FMA:
        _HELD_FMA[plan] = held_fma(linearised, candidate, call.leaves, dtype_of(call))
    return _HELD_FMA[plan]


def modes_of(graph: Graph) -> list[tuple[int, str]]:
    """Return JAX's modes that differentiate the function, with the multiply-adds that each takes, cheaper ones first.

    A mode sends every column, or every row, of an identity through all elementals. Forward and reverse order of a plan
    multiply blocks as they are held; they may take far fewer multiply-adds and do not measure a mode.
    """
    modes = []
    for mode, name, ends in ((Mode.TANGENT, "jacfwd", graph.inputs), (Mode.ADJOINT, "jacrev", graph.outputs)):
        price = per_vector(graph.useful, mode)
        if price is not None:
            modes.append((price * sum(graph.sizes[v] for v in ends), name))
    return sorted(modes)


def _tuned(
    linearised: LinearisedFunction, call: FlatCall, ways: Sequence[JacobianStrategy], settings: JacobianSettings
) -> JacobianStrategy:
    """Return the fastest of some ways on the backend, measured once per function, shapes and batch.

    A function that closes over values of an outer trace cannot run apart from it; for such a function the first way is
    returned.
    """
    if closes_over_traced(linearised, call):
        return ways[0]
    batches = tuple(batch_of(given) for given in (*call.leaves, *call.others))
    key = ("tuned", linearised.trace.signature, ways[0].plan, batches, jax.default_backend())

    def tune() -> str:
        return fastest({way.name: program(call, way) for way in ways}, "plan", (call.leaves, call.others))

    best = kept(key, tune, lambda _: bytes_of(ways[0].plan))
    return next(way for way in ways if way.name == best)


def _fitted(
    linearised: LinearisedFunction, call: FlatCall, ways: Sequence[JacobianStrategy], limit: int
) -> JacobianStrategy:
    """Return the best way within a limit of memory, kept by function and shapes.

    Raises
    ------
    PlanError
        If no way fits, or the function closes over values of an outer trace and cannot be compiled apart from it.
    """
    if closes_over_traced(linearised, call):
        raise PlanError(
            "memory: the function reads values of an outer trace, so that it cannot be compiled on its own to see "
            "what it takes; expected all it reads among its arguments. Pass them."
        )
    key = ("fitted", linearised.trace.signature, *ways, limit, jax.default_backend())
    return kept(key, lambda: within(call, ways, limit), lambda _: bytes_of(ways))
