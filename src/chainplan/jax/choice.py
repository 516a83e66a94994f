"""Which program computes a Jacobian: that of a plan, or that of one of JAX's own modes.

A plan depends on the linearised graph alone, so that plans are kept by the fingerprint of their problem: another
function of the same graph, or the same function at other values, is not planned again. Plan and modes are traced to the
programs that would run, on the batch that is in sight, and the predicted times of these programs decide
(`program_time`). The program that is chosen is kept by the text of the traced function: a later call of an equal
function neither linearises nor plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from math import inf
from typing import NamedTuple
from weakref import WeakKeyDictionary

import jax
from jax import Array
from jax.extend import core
from jax.tree_util import PyTreeDef

from chainplan._util.byte_cache import bytes_of, kept
from chainplan.errors import PlanError
from chainplan.jax.by_entries import known_pattern, taken_apart
from chainplan.jax.call import FlatCall, flattened
from chainplan.jax.coloured import coloured_sweep
from chainplan.jax.errors import ModeRefused, NotLinearised, as_raised, refusals
from chainplan.jax.linearise import LinearisedFunction, linearise
from chainplan.jax.loops import MIN_LOOP_GAIN, Differentiate, LoopEquation
from chainplan.jax.memory_limit import within
from chainplan.jax.program_time import predicted_seconds
from chainplan.jax.selected import leaves_out_steep_entries
from chainplan.jax.shared_blocks import has_shared_matrix, shared_elementals, shared_first
from chainplan.jax.standalone import TracedProgram, in_batch, program, traced_program
from chainplan.jax.strategies import EvaluatedStrategy, JacobianStrategy, evaluated_by_mode
from chainplan.jax.symbolic import SymbolicOrders, symbolic_orders
from chainplan.jax.trace import FunctionTrace, trace
from chainplan.jax.tuning import batch_axes, batch_of, fastest
from chainplan.jax.types import Tree
from chainplan.planner import plan as find_plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.check import prove
from chainplan.plans.compressed_sweep import per_vector
from chainplan.plans.result import Result
from chainplan.plans.steps import Load, Plan
from chainplan.problem.graph import Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from chainplan.structures import Dense

MIN_PLAN_GAIN = 0.1
"""The share of the predicted time of the better mode that a plan must save to be used (`bench/reports/jax.md`)."""
MISSING_NUMBER = 1.25
"""Times the predicted time of jacrev that another way may take which gives a number where jacrev gives NaN."""
DEFAULT_NODES = 100
"""The steps of the search for a plan after which it ends."""
MIN_SPARSE_NODES, MAX_SPARSE_VISITS = 3, 300_000
"""Of a sparse Jacobian: the least steps of the search, and the most steps times entries of the longest vertex."""
MAX_JAX_BLOCK_ENTRIES = 50_000_000
"""The most entries, written out, of a block that a plan may make where the Jacobian itself is smaller."""
MAX_COMPILED_STEPS = 1500
"""The number of steps of the longest plan that is used: XLA compiles some hundred of them a second."""
MAX_HESSIAN_STEPS, MIN_LONG_GAIN = 4000, 0.75
"""The same of a Hessian, whose gradient has several steps for each one of its function; and the share of the time of
the better mode that a plan of more than `MAX_COMPILED_STEPS` must save."""
MAX_RANKED_STEPS = 60
"""The steps of the longest plan that is compared with those of simple orders by the times of their programs."""
MIN_COLOURED_GAIN = 0.5
"""The share of the predicted time of a plan that products of a colour each must save."""
NEAR_IN_FMA = 1.5
"""Times the price of the searched plan above which the plan of a simple order is not compared with it."""
FAR_BEHIND = 8
"""Times the fma of the better mode from which on the other mode is not looked at where it takes many."""
FEW_FMA = 10_000_000
"""The multiply-adds of a mode up to which it is always looked at: starting kernels may take longer than they do."""
MAX_PREDICTED_EQUATIONS = 1000
"""The equations of the longest function whose modes are compared by predicted time where no plan is searched."""
BYTES_PER_EQUATION = 2000
"""Bytes that an equation of a kept program takes, with what is compiled of it."""

_PROVEN_FINGERPRINTS: WeakKeyDictionary[Plan, str] = WeakKeyDictionary()


class JacobianSettings(NamedTuple):
    """The options by which a Jacobian is planned and a way to it chosen."""

    solver: str = "auto"
    budget: float | None = None
    nodes: int | None = DEFAULT_NODES
    objective: str | None = None
    plan: Candidate | None = None
    tune: bool = False
    gain: float | None = MIN_PLAN_GAIN
    memory: int | None = None
    sparse: bool = False
    symmetric: bool = False


class ChosenProgram(NamedTuple):
    """A way to a Jacobian, and its program: a function of the leaves of a call and of the constants of its trace.

    `tree` is that of its results. `run` runs it where nothing is traced around the call, compiled; None runs it
    operation by operation.
    """

    way: JacobianStrategy
    program: core.ClosedJaxpr
    tree: PyTreeDef
    run: Callable[..., list[Array]] | None = None


class Choice(NamedTuple):
    """The way to the Jacobian of a call; `trace` and `chosen` are None where the function could not be traced."""

    way: JacobianStrategy
    trace: FunctionTrace | None = None
    chosen: ChosenProgram | None = None
    symbolic: SymbolicOrders | None = None

    def computed(self, call: FlatCall) -> EvaluatedStrategy:
        """Compute the Jacobian, as a part of the program that is being traced where there is one."""
        if self.symbolic is not None:
            return self.symbolic.evaluated(call, call.leaves)
        if self.chosen is None or self.trace is None:
            return evaluated_by_mode(call, None, self.way, call.leaves, ())
        arrays = (*call.leaves, *self.trace.constants)
        traced = any(isinstance(array, jax.core.Tracer) for array in arrays)
        run = None if traced else self.chosen.run
        flat = (run or core.jaxpr_as_fun(self.chosen.program))(*arrays)
        made: EvaluatedStrategy = jax.tree.unflatten(self.chosen.tree, flat)
        return made


def chosen(call: FlatCall, settings: JacobianSettings) -> Choice:
    """Return the way to the Jacobian of a call, with its program."""
    try:
        traced = trace(call.flat, call.leaves)
        return kept_choice(call, traced, settings)
    except NotLinearised:
        modes = [JacobianStrategy("jacrev"), JacobianStrategy("jacfwd")]
        if settings.memory is None and not settings.sparse and not settings.symmetric:
            return Choice(modes[0], symbolic=symbolic_orders(call))
        way = modes[0] if settings.memory is None else within(call, None, modes, settings.memory)
        return Choice(way._replace(sparse=settings.sparse, symmetric=settings.symmetric))


def kept_choice(call: FlatCall, traced: FunctionTrace, settings: JacobianSettings) -> Choice:
    """Return the choice for a traced function, made before for a function of the same text where there is one.

    The program of a plan is kept for all constants. That of a mode is kept together with the numbers in the source of
    the function, which are not arguments of it; it is compiled when it is called again with the same numbers.
    """
    made: list[ChosenProgram] = []
    pattern = None if settings.plan is not None or settings.sparse else known_pattern(traced, call.leaves, call.outs)

    def decide() -> ChosenProgram | JacobianStrategy:
        found = (linearise if pattern is None else taken_apart)(traced, call.leaves, call.outs, of_steps(settings))
        way, (closed, tree) = _decided(found, call, settings)
        made.append(ChosenProgram(way, closed, tree))
        return way if way.name != "plan" else compiled_later(made[-1])

    def by_mode() -> ChosenProgram:
        if not made:
            made.append(ChosenProgram(way, *traced_program(call, traced, way)))
        return compiled_later(made[0])

    if traced.key is None:
        decide()
        return Choice(made[0].way, traced, made[0])
    types = tuple((str(jax.typeof(array)), batch_of(array)) for array in (*call.leaves, *traced.constants))
    key = ("jacobian", traced.key, pattern, len(call.outs), types, settings, jax.default_backend())
    known = kept(key, decide, size_of_choice, choice_lasts)
    if isinstance(known, ChosenProgram):
        return Choice(known.way, traced, known)
    way = known
    known = kept((*key, traced.numbers), by_mode, size_of_choice, choice_lasts)
    return Choice(way, traced, made[0] if made else known)


def of_steps(settings: JacobianSettings) -> Differentiate:
    """Return what makes the Jacobian of one step of a loop: the same choice, for the body."""
    own = settings._replace(plan=None, tune=False, memory=None, sparse=False, symmetric=False)

    def differentiate(f: Callable[..., list[Array]], argnums: tuple[int, ...]) -> Callable[..., Tree]:
        def jacobian(*args: Array) -> Tree:
            call = flattened(f, argnums, False, args, {})
            return call.nested(chosen(call, own).computed(call)[0])

        return jacobian

    return differentiate


def compiled_later(made: ChosenProgram) -> ChosenProgram:
    """Return a program that is compiled when it is first run on its own."""
    return made._replace(run=jax.jit(core.jaxpr_as_fun(made.program)))


def size_of_choice(made: ChosenProgram | JacobianStrategy) -> int:
    """Estimate the bytes of a kept choice."""
    if isinstance(made, JacobianStrategy):
        return 0 if made.sweep is None else made.sweep.nbytes
    return BYTES_PER_EQUATION * len(made.program.jaxpr.eqns) + sum(bytes_of(const) for const in made.program.consts)


def choice_lasts(made: ChosenProgram | JacobianStrategy) -> bool:
    """Say whether a choice holds for later calls: a program that reads a value which is being traced does not."""
    consts = [] if isinstance(made, JacobianStrategy) else made.program.consts
    return not any(isinstance(const, jax.core.Tracer) for const in consts)


def _decided(
    linearised: LinearisedFunction, call: FlatCall, settings: JacobianSettings
) -> tuple[JacobianStrategy, TracedProgram]:
    """Decide on a way and trace its program."""
    programs: dict[JacobianStrategy, TracedProgram] = {}

    def traced(way: JacobianStrategy) -> TracedProgram:
        if way not in programs:
            with _refusals(way):
                programs[way] = traced_program(call, linearised, way)
        return programs[way]

    arrays = [*call.leaves, *linearised.trace.constants]

    @cache
    def seconds(way: JacobianStrategy) -> float:
        try:
            closed, _ = traced(way)
            with _refusals(way):
                closed = in_batch(closed, arrays)
        except ModeRefused:
            return inf
        return predicted_seconds(closed)

    ways = [
        way._replace(sparse=settings.sparse, symmetric=settings.symmetric)
        for way in _ways(linearised, call, settings, seconds)
    ]
    if settings.memory is not None and linearised.graph is not None:
        ways = [within(call, linearised, [way for way in ways if seconds(way) < inf], settings.memory)]
    return _first_possible(ways, traced)


def _refusals(way: JacobianStrategy) -> AbstractContextManager[None]:
    """Name what a mode raises a refusal of that mode.

    A plan uses of each elemental only what was seen to work when it was linearised; what it raises is a defect.
    """
    return nullcontext() if way.name == "plan" else refusals(way.name)


def _first_possible(
    ways: Sequence[JacobianStrategy], traced: Callable[[JacobianStrategy], TracedProgram]
) -> tuple[JacobianStrategy, TracedProgram]:
    """Return the first way that can be traced, with its program; where none can, raise what the first one raises."""
    refusal: ModeRefused | None = None
    for way in ways:
        try:
            return way, traced(way)
        except ModeRefused as error:
            refusal = refusal or error
    assert refusal is not None, "there is a way"
    with as_raised():
        raise refusal


def _ways(
    linearised: LinearisedFunction,
    call: FlatCall,
    settings: JacobianSettings,
    seconds: Callable[[JacobianStrategy], float],
) -> list[JacobianStrategy]:
    """Return the ways to compute the Jacobian, the best one by predicted seconds first."""
    problem = linearised.problem()
    if problem is None:
        return [JacobianStrategy("plan")]
    if settings.plan is not None:
        return [JacobianStrategy("plan", _proved(settings.plan, problem))]
    modes = modes_of(problem.graph)
    always = settings.gain is None or settings.sparse
    hopeless = bool(modes) and not always and least_steps(problem.graph) > MAX_COMPILED_STEPS
    if hopeless and len(linearised.trace.equations) > MAX_PREDICTED_EQUATIONS:
        return [JacobianStrategy(name) for _, name in modes]
    near = [JacobianStrategy(name) for price, name in modes if price <= max(FAR_BEHIND * modes[0][0], FEW_FMA)]
    doubtful = "jacrev" if leaves_out_steep_entries(linearised.trace) else None

    def rank(way: JacobianStrategy) -> float:
        return seconds(way) * (MISSING_NUMBER if way.name == doubtful else 1)

    plain = near if always or len(near) == 1 else sorted(near, key=rank)
    plain += [way for _, name in modes if (way := JacobianStrategy(name)) not in plain]
    if hopeless:
        return plain
    coloured = _coloured(linearised, call, settings, seconds)
    if coloured and _closed(problem.graph, coloured[0]):
        return [*coloured, *plain]
    result = planned(problem, _searched(problem.graph, settings))
    if result.candidate is None or result.cost is None:
        return [*coloured, *plain] or [JacobianStrategy("jacrev")]
    if settings.sparse:
        by_plan = JacobianStrategy("plan", result.candidate)._replace(sparse=True, symmetric=settings.symmetric)
        saving = [way for way in coloured if seconds(way) <= (1 - MIN_COLOURED_GAIN) * seconds(by_plan)]
        return [*saving, by_plan, *plain]
    plans = [JacobianStrategy("plan", candidate) for candidate in _plans(problem, settings, result)]
    plans += _in_batch(linearised, call, plans)
    by_plan = plans[0] if len(plans) == 1 else min(plans, key=seconds)
    if not plain or settings.gain is None:
        return [by_plan, *plain]
    if too_large(result, MAX_HESSIAN_STEPS if settings.symmetric else MAX_COMPILED_STEPS):
        return plain
    ways = [by_plan, *plain]
    if settings.tune:
        best = _tuned(linearised, call, [way for way in ways if seconds(way) < inf])
        return [best, *(way for way in ways if way is not best)]
    loops = any(isinstance(equation, LoopEquation) for equation in linearised.trace.equations)
    gain = max(settings.gain, MIN_LOOP_GAIN) if loops else settings.gain
    if len(result.candidate.plan.steps) > MAX_COMPILED_STEPS:
        gain = max(gain, MIN_LONG_GAIN)
    if seconds(by_plan) > (1 - gain) * rank(plain[0]):
        return [*plain, by_plan]
    return ways


def _in_batch(
    linearised: LinearisedFunction, call: FlatCall, plans: Sequence[JacobianStrategy]
) -> list[JacobianStrategy]:
    """Return plans as they use what the batch in sight has in common; none where it has nothing that plans use."""
    _, axes = batch_axes([*call.leaves, *linearised.trace.constants])
    if axes is None or linearised.apart is not None:
        return []
    shared = tuple(axis is None for axis in axes)
    elementals, found = shared_elementals(linearised, shared), [way.candidate for way in plans if way.candidate]
    if not found or not has_shared_matrix(found[0].plan.graph, elementals):
        return []
    before = None if len(found[0].plan.steps) > MAX_RANKED_STEPS else shared_first(found[0], elementals)
    return [JacobianStrategy("plan", one, shared=shared) for one in (*found, *([before] if before else []))]


def _coloured(
    linearised: LinearisedFunction,
    call: FlatCall,
    settings: JacobianSettings,
    seconds: Callable[[JacobianStrategy], float],
) -> list[JacobianStrategy]:
    """Return the way to a sparse Hessian by products of a colour each; none where something else is asked for."""
    if not (settings.sparse and settings.symmetric) or settings.gain is None or settings.memory is not None:
        return []
    sweep = coloured_sweep(call, linearised.trace)
    way = JacobianStrategy("coloured", sparse=True, symmetric=True, sweep=sweep)
    return [] if sweep is None or seconds(way) == inf else [way]


def _closed(graph: Graph, way: JacobianStrategy) -> bool:
    """Say whether a plan has to pass an elemental without structure, by more vectors than there are products.

    Such an elemental is accumulated from its shorter side, where products with the whole go through it as well.
    """
    products = 0 if way.sweep is None else way.sweep.products
    dense = (e.block for e in graph.useful if not e.explicit and isinstance(e.block.structure, Dense))
    return any(min(block.rows, block.cols) > products for block in dense)


def _plans(problem: Problem, settings: JacobianSettings, result: Result) -> list[Candidate]:
    """Return the plan that was searched, and those of simple orders that come near it where all are short.

    Orders of equal fma differ in the sums and the bytes of their programs.
    """
    assert result.candidate is not None, "a plan was found"
    found = [result.candidate]
    if (
        settings.solver != "auto"
        or settings.objective is not None
        or len(result.candidate.plan.steps) > MAX_RANKED_STEPS
    ):
        return found
    for name in ("forward", "reverse", "greedy"):
        if SOLVERS[name].refusal(problem) is not None:
            continue
        other = planned(problem, settings._replace(solver=name)).candidate
        if other is None or other.price > NEAR_IN_FMA * result.candidate.price:
            continue
        if all(other.plan.steps != candidate.plan.steps for candidate in found):
            found.append(other)
    return found


def _searched(graph: Graph, settings: JacobianSettings) -> JacobianSettings:
    """Let the search for a sparse Jacobian end after fewer steps where patterns are long; a step goes through one."""
    if not settings.sparse or settings.nodes is None:
        return settings
    steps = max(MIN_SPARSE_NODES, MAX_SPARSE_VISITS // max(graph.sizes.values()))
    return settings._replace(nodes=min(settings.nodes, steps))


def planned(problem: Problem, settings: JacobianSettings) -> Result:
    """Plan a problem, or return the kept result of having planned it."""
    key = "plan", problem.fingerprint, settings.solver, settings.budget, settings.nodes, settings.objective

    def find() -> Result:
        return find_plan(
            problem, settings.solver, budget=settings.budget, nodes=settings.nodes, objective=settings.objective
        )

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


def too_large(result: Result, most_steps: int = MAX_COMPILED_STEPS) -> bool:
    """Say whether a plan has too many steps to be compiled, or makes a block that is too large to be written out.

    The Jacobian itself is always written out.
    """
    if result.replay is None or result.plan is None or len(result.plan.steps) > most_steps:
        return True
    sizes = [typed.block.rows * typed.block.cols for typed in result.replay.blocks]
    ends = {output.step for output in result.plan.outputs}
    steps = zip(result.plan.steps, sizes, strict=True)
    made = [size for place, (step, size) in enumerate(steps) if not isinstance(step, Load) and place not in ends]
    return max(made, default=0) > max([MAX_JAX_BLOCK_ENTRIES, *(sizes[place] for place in ends)])


def least_steps(graph: Graph) -> int:
    """Bound the number of steps of all plans from below, before one is searched.

    Every explicit elemental is loaded, and a product or a propagation passes every intermediate vertex.
    """
    inside = {e.target for e in graph.useful} & {e.source for e in graph.useful}
    return sum(e.explicit for e in graph.useful) + len(inside)


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


def _tuned(linearised: LinearisedFunction, call: FlatCall, ways: Sequence[JacobianStrategy]) -> JacobianStrategy:
    """Return the fastest of some ways on the backend, where the values that are being traced are ones."""
    best = fastest(
        {way.name: program(call, linearised, way) for way in ways}, "plan", (*call.leaves, *linearised.trace.constants)
    )
    return next(way for way in ways if way.name == best)
