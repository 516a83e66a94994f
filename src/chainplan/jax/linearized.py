"""linearize(f): f at a point, and its Jacobian as an operator that is used a known number of times.

A plan for these products, and JAX's own linearisation, are both traced to the programs that would run: the set-up, and
one product on each side. The way with the less predicted time for all of them is taken, and kept by the text of the
traced function, as `choice` does for Jacobians.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
from jax.extend import core

from chainplan._util.byte_cache import bytes_of, kept
from chainplan.errors import PlanError
from chainplan.jax.call import FlatCall, flattened
from chainplan.jax.choice import (
    BYTES_PER_EQUATION,
    MAX_COMPILED_STEPS,
    MIN_PLAN_GAIN,
    JacobianSettings,
    least_steps,
    planned,
    too_large,
)
from chainplan.jax.edges import shape_of
from chainplan.jax.errors import DifferentiationError, ModeRefused, NotLinearised, as_raised
from chainplan.jax.linear_operator import LinearizedOperator, OperatorSides
from chainplan.jax.linearise import linearise
from chainplan.jax.loops import MIN_LOOP_GAIN, LoopEquation
from chainplan.jax.product_ways import LinearParts, LinearProgram, linear_program, parts_by_jax
from chainplan.jax.trace import FunctionTrace, trace
from chainplan.jax.types import Tree
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products


def linearize(
    f: Callable[..., Tree],
    *primals: Tree,
    products: int | Sequence[int],
    has_aux: bool = False,
    gain: float | None = MIN_PLAN_GAIN,
) -> tuple[Tree, ...]:
    """Evaluate a function, and make its Jacobian there an operator that is used so often; called like `jax.linearize`.

    Parameters
    ----------
    f : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate.
    *primals : Tree
        Its arguments, at all of which it is differentiated.
    products : int | Sequence[int]
        How often the operator is applied to tangents, or a pair: how often to tangents, and how often its transpose
        is to cotangents. The numbers decide what is formed once and what each product goes through; the operator may
        be applied more often, or less.
    has_aux : bool
        Whether f returns a pair: the result that is differentiated, and auxiliary data that is passed on.
    gain : float | None
        The share of the predicted time of JAX's own linearisation that a plan must save; where it saves less, that is
        used. Where a loop is opened, half must be saved at least. None uses the plan whatever it saves.

    Returns
    -------
    tuple
        The value of f, and the operator; with `has_aux` the auxiliary data behind them. The operator takes a tangent of
        every argument and returns that of the result; its transpose `T` takes a cotangent of the result and returns a
        tuple, one for every argument, as `jax.vjp` does. It is a tree of JAX: a compiled function may return it, and
        `jax.vmap` maps it.

    Raises
    ------
    DifferentiationError
        If f is no function, an argument or a result is not real, or JAX has no derivative.
    PlanError
        If an option is not of its kind.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> y, operator = linearize(lambda x: x**2, jnp.array([1.0, 3.0]), products=10)
    >>> y.tolist(), operator(jnp.ones(2)).tolist(), operator.T(jnp.ones(2))[0].tolist()
    ([1.0, 9.0], [2.0, 6.0], [2.0, 6.0])
    """
    if not callable(f):
        raise DifferentiationError(f"f: found {f!r:.60}; expected a function of arrays. Pass the function itself.")
    times = _products(products)
    call = flattened(f, tuple(range(len(primals))), has_aux, primals, {})
    parts, made = _parts(call, times, gain)
    value = jax.tree.unflatten(call.trees[0], parts.results)
    sides = OperatorSides(
        call.tree,
        tuple(map(shape_of, call.leaves)),
        call.trees[0],
        tuple(call.outs),
        None if made is None or made.candidate is None else made.candidate.plan,
    )
    operator = LinearizedOperator(parts.push, parts.pull, sides)
    return (value, operator, call.passed_on(parts.beside)) if has_aux else (value, operator)


def _products(given: int | Sequence[int]) -> Products:
    """Read how many products are asked for.

    Raises
    ------
    PlanError
        If it is neither a number nor a pair of numbers.
    """
    pair = tuple(given) if isinstance(given, list | tuple) else (given, 0)
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in pair) or not any(pair):
        raise PlanError(
            f"products: found {given!r}; expected a number of products from 1, or a pair of those with tangents and "
            "with cotangents. Write products=50 or products=(50, 50)."
        )
    return Products(*pair)


def _parts(call: FlatCall, products: Products, gain: float | None) -> tuple[LinearParts, LinearProgram | None]:
    """Compute the results and what is linear by the way that is best."""
    with as_raised():
        try:
            traced = trace(call.flat, call.leaves)
        except NotLinearised:
            return parts_by_jax(call, None, products, call.leaves, ()), None
        made = _kept_program(call, traced, products, gain)
    arrays = (*call.leaves, *traced.constants)
    inside = any(isinstance(array, jax.core.Tracer) for array in arrays)
    run = None if inside else made.run
    parts: LinearParts = jax.tree.unflatten(made.tree, (run or core.jaxpr_as_fun(made.program))(*arrays))
    return parts, made


def _kept_program(call: FlatCall, traced: FunctionTrace, products: Products, gain: float | None) -> LinearProgram:
    """Return the program of the best way, made before for a function of the same text where there is one.

    The program of a plan is kept for all constants, that of JAX itself together with the numbers in the source.
    """
    made: list[LinearProgram] = []

    def decide() -> LinearProgram | None:
        made.append(_decided(call, traced, products, gain))
        return None if made[0].candidate is None else _compiled(made[0])

    def by_jax() -> LinearProgram:
        return _compiled(made[0] if made else linear_program(call, traced, None, products))

    if traced.key is None:
        return _decided(call, traced, products, gain)
    types = tuple(str(jax.typeof(array)) for array in (*call.leaves, *traced.constants))
    key = ("linearize", traced.key, len(call.outs), types, products, gain, jax.default_backend())
    return kept(key, decide, _size, _lasts) or kept((*key, traced.numbers), by_jax, _size, _lasts)


def _compiled(made: LinearProgram) -> LinearProgram:
    """Return a program that is compiled when it is first run on its own."""
    return made._replace(run=jax.jit(core.jaxpr_as_fun(made.program)))


def _size(made: LinearProgram | None) -> int:
    """Estimate the bytes of a kept program."""
    if made is None:
        return 0
    return BYTES_PER_EQUATION * len(made.program.jaxpr.eqns) + sum(bytes_of(const) for const in made.program.consts)


def _lasts(made: LinearProgram | None) -> bool:
    """Say whether a program holds for later calls: one that reads a value which is being traced does not."""
    return made is None or not any(isinstance(const, jax.core.Tracer) for const in made.program.consts)


def _decided(call: FlatCall, traced: FunctionTrace, products: Products, gain: float | None) -> LinearProgram:
    """Return the program of the way that is predicted to be faster."""
    linearised = linearise(traced, call.leaves, call.outs, vectors=products.total)
    graph = linearised.graph
    if graph is None or (gain is not None and least_steps(graph) > MAX_COMPILED_STEPS):
        return linear_program(call, traced, None, products)
    result = planned(Problem(graph, products=products), JacobianSettings())
    if result.candidate is None or (gain is not None and too_large(result)):
        return linear_program(call, traced, None, products)
    by_plan = linear_program(call, linearised, result.candidate, products)
    if gain is None:
        return by_plan
    try:
        by_jax = linear_program(call, traced, None, products)
    except ModeRefused:
        return by_plan
    loops = any(isinstance(equation, LoopEquation) for equation in linearised.trace.equations)
    gain = max(gain, MIN_LOOP_GAIN) if loops else gain
    return by_jax if by_plan.seconds > (1 - gain) * by_jax.seconds else by_plan
