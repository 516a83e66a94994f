"""jacobian(f): trace, plan, emit; JAX's own modes where a plan promises too little.

A plan depends on the linearised graph alone, so plans are kept by the fingerprint of their problem: another function
of the same graph, or the same function at other values, is not planned again. What a plan saves is a prediction in
multiply-adds; below `gain` it is not worth losing what XLA makes of the plain modes. It must hold twice: as the planner
counts, and as the blocks are held, for a listed pattern is counted by its nonzeros but held as a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp

from chainplan.compression import per_vector
from chainplan.errors import PlanError
from chainplan.graph import Graph, Mode
from chainplan.jax.emit import blocks_of, held_fma
from chainplan.jax.errors import NotLinearised
from chainplan.jax.held import matrix
from chainplan.jax.linearise import Linearised, linearise
from chainplan.jax.signature import Call, flattened
from chainplan.jax.trace import read, trace
from chainplan.jax.tuning import batch_of, fastest
from chainplan.planner import plan as find_plan
from chainplan.problem import Problem
from chainplan.result import Result
from chainplan.steps import Load, Plan

GAIN = 0.05
"""Share of the multiply-adds of the better mode that a plan must save to be taken."""
LARGEST = 50_000_000
"""Entries of the largest block, written out, that a plan may make where the Jacobian itself is smaller."""
LONGEST = 1500
"""Steps of the longest plan that is taken: XLA compiles some hundred a second."""
KEPT = 256
"""Plans that are kept."""

_PLANS: dict[tuple[str, str, float | None], Result] = {}
_HELD: WeakKeyDictionary[Plan, int] = WeakKeyDictionary()
_TUNED: dict[tuple[Any, ...], str] = {}


class Asked(NamedTuple):
    """A function and a call of its Jacobian, as they were given."""

    f: Callable[..., Any]
    argnums: int | Sequence[int]
    has_aux: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Settings(NamedTuple):
    """How a Jacobian is planned and chosen."""

    solver: str
    budget: float | None
    plan: Plan | None
    tune: bool
    gain: float | None


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    solver: str = "auto",
    budget: float | None = 1.0,
    has_aux: bool = False,
    plan: Plan | Result | None = None,
    tune: bool = False,
    gain: float | None = GAIN,
) -> Callable[..., Any]:
    """The Jacobian of a function, by the cheapest order found; called, and shaped, as `jax.jacrev(f, argnums)`.

    Parameters
    ----------
    f : a function of arrays, or trees of them, that JAX can differentiate.
    argnums : which positional arguments to differentiate by.
    solver, budget : as for `chainplan.plan`; the budget is in seconds.
    has_aux : whether f returns a pair of what is differentiated and of what is passed on.
    plan : a plan for the graph of f that was found before; it is used whatever it promises.
    tune : whether plan, jacfwd and jacrev are timed at the first call of each graph, and the fastest kept. Under `vmap`
        they are timed on a batch of that size, which has to be in sight: `jit(vmap(jacobian(f, tune=True)))`, not
        `vmap(jit(jacobian(f, tune=True)))`, which is timed on a single point.
    gain : share of the multiply-adds of the better mode that a plan must save, else jacfwd or jacrev is returned; None
        takes the plan whatever it promises.

    Returns
    -------
    function
        Of the arguments of f. Like `jax.jacrev(f)` it traces at every call: wrap it in `jax.jit`.

    Raises
    ------
    DifferentiationError
        At a call: if an argument or a result is not real, or JAX has no derivative.
    PlanError
        At a call: if the plan given is for another graph.
    """
    given = plan.plan if isinstance(plan, Result) else plan
    settings = Settings(solver, budget, given, tune, gain)

    @wraps(f)
    def jacobian_of_f(*args: Any, **kwargs: Any) -> Any:
        call = flattened(f, argnums, has_aux, args, kwargs)

        def by_mode(name: str) -> Any:
            return getattr(jax, name)(f, argnums=argnums, has_aux=has_aux)(*args, **kwargs)

        try:
            linearised = linearised_call(call)
        except NotLinearised:
            return by_mode("jacrev")
        chosen, way = choose(linearised, call, settings, Asked(f, argnums, has_aux, args, kwargs))
        if chosen != "plan":
            return by_mode(chosen)
        blocks, beside = _evaluated(linearised, way, call, call.leaves)
        nested = call.nested(blocks)
        return (nested, jax.tree.unflatten(call.trees[1], beside)) if has_aux else nested

    return jacobian_of_f


def chosen(
    f: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    budget: float | None = 1.0,
    tune: bool = False,
    gain: float | None = GAIN,
) -> str:
    """What `jacobian` takes at such a call: "plan", "jacfwd" or "jacrev"."""
    call = flattened(f, argnums, False, args, {})
    try:
        linearised = linearised_call(call)
    except NotLinearised:
        return "jacrev"
    settings = Settings("auto", budget, None, tune, gain)
    return choose(linearised, call, settings, Asked(f, argnums, False, args, {}))[0]


def linearised_call(call: Call) -> Linearised:
    """The linearised function of a call."""
    found = trace(call.flat, call.leaves)
    return linearise(found, call.leaves, call.outs)


def choose(linearised: Linearised, call: Call, settings: Settings, asked: Asked) -> tuple[str, Plan | None]:
    """How to compute the Jacobian: "plan" and the plan, "jacfwd" or "jacrev"."""
    problem = linearised.problem()
    if problem is None:
        return "plan", None
    if settings.plan is not None:
        if Problem(settings.plan.graph).fingerprint != problem.fingerprint:
            raise PlanError("plan: it is for another graph than that of the function at these shapes. Plan it anew.")
        return "plan", settings.plan
    result = planned(problem, settings)
    modes = modes_of(problem.graph)
    if result.plan is None or result.cost is None:
        return (modes[0][1] if modes else "jacrev"), None
    if not modes or settings.gain is None:
        return "plan", result.plan
    if too_large(result):
        return modes[0][1], None
    if settings.tune:
        return _tuned(problem, [name for _, name in modes], asked, settings), result.plan
    most = (1 - settings.gain) * modes[0][0]
    if result.cost.fma > most or _held_fma(linearised, result.plan, call) > most:
        return modes[0][1], None
    return "plan", result.plan


def planned(problem: Problem, settings: Settings) -> Result:
    """A plan for a problem, kept."""
    key = problem.fingerprint, settings.solver, settings.budget
    if key not in _PLANS:
        if len(_PLANS) >= KEPT:
            del _PLANS[next(iter(_PLANS))]
        _PLANS[key] = find_plan(problem, settings.solver, budget=settings.budget)
    return _PLANS[key]


def too_large(result: Result) -> bool:
    """Whether a plan is too long to be compiled, or makes a larger block than can be written out.

    The Jacobian itself is always written out.
    """
    if result.replay is None or result.plan is None or len(result.plan.steps) > LONGEST:
        return True
    sizes = [typed.block.rows * typed.block.cols for typed in result.replay.blocks]
    ends = {output.step for output in result.plan.outputs}
    steps = zip(result.plan.steps, sizes, strict=True)
    made = [size for place, (step, size) in enumerate(steps) if not isinstance(step, Load) and place not in ends]
    return max(made, default=0) > max([LARGEST, *(sizes[place] for place in ends)])


def _held_fma(linearised: Linearised, plan: Plan, call: Call) -> int:
    """Multiply-adds of a plan as its blocks are held, kept for as long as the plan lives."""
    if plan not in _HELD:
        _HELD[plan] = held_fma(linearised, plan, call.leaves, dtype_of(call))
    return _HELD[plan]


def dtype_of(call: Call) -> Any:
    """The dtype of entries that no value decides."""
    return jnp.result_type(*call.leaves, *(out.dtype for out in call.outs)) if call.leaves else jnp.float32


def modes_of(graph: Graph) -> list[tuple[int, str]]:
    """JAX's modes that differentiate the function, with the multiply-adds that each takes, cheaper ones first.

    A mode sends every column, or row, of an identity through all elementals; forward and reverse order of a plan,
    which multiply blocks as they are, may take far less and are no measure of it.
    """
    found = []
    for mode, name, ends in ((Mode.TANGENT, "jacfwd", graph.inputs), (Mode.ADJOINT, "jacrev", graph.outputs)):
        price = per_vector(graph.useful, mode)
        if price is not None:
            found.append((price * sum(graph.sizes[v] for v in ends), name))
    return sorted(found)


def _evaluated(
    linearised: Linearised, plan: Plan | None, call: Call, leaves: Sequence[Any]
) -> tuple[list[list[Any]], list[Any]]:
    """Blocks by result and argument in the shape that JAX gives them, and the auxiliary results."""
    values = linearised.trace.values(leaves)
    dtype = dtype_of(call)
    held = {} if plan is None else blocks_of(linearised, plan, values, dtype)
    blocks = []
    for output, out in zip(linearised.outputs, call.outs, strict=True):
        row = []
        for source, leaf in zip(linearised.inputs, leaves, strict=True):
            block = held.get((output or "", source or ""))
            shape = (*out.shape, *leaf.shape)
            if block is None:
                row.append(jnp.zeros(shape, leaf.dtype))
            else:
                row.append(matrix(block, dtype).reshape(shape).astype(leaf.dtype))
        blocks.append(row)
    results = [read(values, atom) for atom in linearised.trace.results]
    return blocks, results[len(call.outs) :]


def _tuned(problem: Problem, modes: Sequence[str], asked: Asked, settings: Settings) -> str:
    """The fastest of plan and modes on the backend, measured once per graph, batch and precision."""
    f, argnums, has_aux, args, kwargs = asked
    like = tuple(
        (leaf.shape, str(leaf.dtype), batch_of(leaf))
        for leaf in jax.tree.leaves((args, kwargs))
        if hasattr(leaf, "dtype")
    )
    key = (problem.fingerprint, settings.solver, settings.budget, jax.default_backend(), like)
    if key not in _TUNED:
        ways = {mode: getattr(jax, mode)(f, argnums=argnums, has_aux=has_aux) for mode in modes}
        ways["plan"] = jacobian(f, argnums, solver=settings.solver, budget=settings.budget, has_aux=has_aux, gain=None)
        _TUNED[key] = fastest(ways, "plan", args, kwargs)
    return _TUNED[key]
