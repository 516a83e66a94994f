"""gauss_newton(r) for least squares: the product JᵀWJ of a function's Jacobian, planned as one product.

The Jacobian need not be formed: where a function is a chain J₂ · J₁ and J₁ has few rows, J₁ᵀ · (J₂ᵀ W J₂) · J₁ takes a
fraction of the operations, and where Jacobians are sparse the product is made by entries. A plan for the graph of the
product (`mirrored`) competes with the product of the Jacobian that `jacobian` makes, by the predicted times of both
programs on the batch that is in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce, wraps
from math import isqrt, prod
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend import core

from chainplan._util import arrays
from chainplan._util.byte_cache import kept
from chainplan.jax.bcoo import full_block
from chainplan.jax.call import FlatCall, flattened, pair_of, where_of
from chainplan.jax.choice import (
    DEFAULT_NODES,
    MAX_COMPILED_STEPS,
    MIN_PLAN_GAIN,
    ChosenProgram,
    JacobianSettings,
    choice_lasts,
    chosen,
    compiled_later,
    kept_choice,
    least_steps,
    of_steps,
    planned,
    size_of_choice,
)
from chainplan.jax.errors import DifferentiationError, NotLinearised
from chainplan.jax.forms import HeldBlock, HeldDense, HeldDiagonal, matrix
from chainplan.jax.jacobians import integers, require_flags, require_settings
from chainplan.jax.linearise import LinearisedFunction, linearise
from chainplan.jax.mirrored import MirroredFunction, mirrored_function, symmetric_blocks, symmetric_plans
from chainplan.jax.products import total
from chainplan.jax.program_time import predicted_seconds
from chainplan.jax.standalone import in_batch
from chainplan.jax.strategies import EvaluatedStrategy, JacobianStrategy, dtype_of, written
from chainplan.jax.symmetric import symmetric_product, symmetrised
from chainplan.jax.trace import FunctionTrace, read, trace
from chainplan.jax.tuning import batch_of
from chainplan.jax.types import Tree
from chainplan.plans.candidate import Candidate
from chainplan.problem.problem import Problem
from chainplan.solvers.dag.order_plans import order_of
from chainplan.solvers.elimination.elimination_graph import WorkGraph

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MAX_SEARCHED_VERTICES = 40
"""The most vertices of the graph of a product that is searched as a whole, without regard to its symmetry."""
Weights = Tree | Callable[[Tree], Tree] | None
"""A tree like that of the residuals, or a function that makes it of them; None for weights of 1."""
MAX_ASYMMETRY = 1e-4
"""By how much of its largest entry a symmetric matrix of weights may be asymmetric."""


def gauss_newton(
    r: Callable[..., Tree],
    argnums: int | Sequence[int] = 0,
    *,
    weights: Weights = None,
    has_aux: bool = False,
    sparse: bool = False,
    solver: str = "auto",
    budget: float | None = None,
    nodes: int | None = DEFAULT_NODES,
    gain: float | None = MIN_PLAN_GAIN,
) -> Callable[..., Tree]:
    """Make the product JᵀWJ of the Jacobian J of a function, planned as one product; it is shaped like a Hessian.

    For the sum of squares ½‖r(x)‖² it is the Hessian without the second derivatives of r, by which the methods of Gauss
    and Newton and of Levenberg and Marquardt step.

    Parameters
    ----------
    r : Callable[..., Tree]
        A function of arrays, or trees of them, that JAX can differentiate: the residuals.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.
    weights : Weights
        The symmetric matrix W: a tree like that of the residuals, or a function that makes it of the residuals. Each
        leaf is a number, an array of the shape of its residuals, whose entries are weights of theirs, or a symmetric
        array of shape (*residuals, *residuals). Residuals of different leaves have no weights in common. None takes the
        identity.
    has_aux : bool
        Whether r returns a pair: the residuals, and auxiliary data that is passed on.
    sparse : bool
        Whether the blocks are sparse arrays, as for `jacobian`.
    solver : str
        The name of a solver, as for `chainplan.plan`.
    budget : float | None
        The seconds that a search for a plan may take, at the first call of each graph; None sets no limit in time.
    nodes : int | None
        The steps of a search after which it ends; None sets no limit.
    gain : float | None
        The share of the predicted time of the product of J with itself that a plan must save; None takes the plan
        whatever it saves.

    Returns
    -------
    Callable[..., Tree]
        A function of the arguments of r. It returns the blocks in the trees of `jax.hessian`: of shape (*a, *b) for two
        arguments of shapes a and b, each symmetric, or the transpose of another one, to the bit. Like `jax.jacrev(r)`
        it traces at every call: wrap it in `jax.jit`.

    Raises
    ------
    DifferentiationError
        If r is no function; at a call: if an argument or a residual is not real, or weights do not fit the residuals.
    PlanError
        If an option is not of its kind.

    References
    ----------
    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition (2006), section 10.3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> gauss_newton(lambda x: x[1:] * x[:-1])(jnp.array([1.0, 2.0, 3.0])).tolist()
    [[4.0, 2.0, 0.0], [2.0, 10.0, 6.0], [0.0, 6.0, 4.0]]
    """
    if not callable(r):
        raise DifferentiationError(f"r: found {r!r:.60}; expected a function of arrays. Pass the function itself.")
    argnums = integers(argnums)
    require_flags(has_aux=has_aux, sparse=sparse)
    settings = JacobianSettings(solver, budget, nodes, gain=gain, sparse=bool(sparse), symmetric=True)
    require_settings(settings)

    @wraps(r)
    def weighted(*args: Tree, **kwargs: Tree) -> tuple[Tree, Tree]:
        value = r(*args, **kwargs)
        residuals, aux = pair_of(value, where_of(r)) if has_aux else (value, None)
        return residuals, (_fitting(weights, residuals, where_of(r)), aux)

    @wraps(r)
    def product_of_r(*args: Tree, **kwargs: Tree) -> Tree:
        call = flattened(weighted, argnums, True, args, kwargs)
        blocks, beside = _computed(call, settings, weights is not None)
        nested = jax.tree.unflatten(call.tree, [jax.tree.unflatten(call.tree, row) for row in blocks])
        return (nested, call.passed_on(beside)[1]) if has_aux else nested

    return product_of_r


def _fitting(weights: Weights, residuals: Tree, where: str) -> list[Array]:
    """Return the weights of every leaf of the residuals, refused where they do not fit; none where there are none."""
    if weights is None:
        return []
    given = weights(residuals) if callable(weights) else weights
    leaves, tree = jax.tree.flatten(given)
    wanted, expected = jax.tree.flatten(residuals)
    if tree != expected:
        raise DifferentiationError(
            f"{where}: weights: found the tree {tree}; expected that of the residuals, {expected}. Write such a tree."
        )
    made = []
    for raw, residual in zip(leaves, map(jnp.asarray, wanted), strict=True):
        shape, kind = residual.shape, raw.dtype if isinstance(raw, Array) else np.asarray(raw).dtype
        if kind.kind not in "biu" and not jnp.issubdtype(kind, jnp.floating):
            raise DifferentiationError(f"{where}: weights: found {kind}; expected real numbers. Convert them.")
        leaf = jnp.asarray(raw)
        if leaf.shape not in ((), shape, (*shape, *shape)):
            raise DifferentiationError(
                f"{where}: weights: found shape {leaf.shape}; expected () or {shape}, a weight for each residual, or "
                f"{(*shape, *shape)}. Pass an array of such a shape."
            )
        if leaf.shape == (*shape, *shape) and not isinstance(raw, jax.core.Tracer) and not _symmetric(np.asarray(raw)):
            raise DifferentiationError(
                f"{where}: weights: found a matrix that is not symmetric; expected one that is. Pass (W + W.T) / 2."
            )
        made.append(jnp.broadcast_to(leaf, shape) if leaf.shape == () else leaf)
    return made


def _symmetric(weights: arrays.Array) -> bool:
    """Whether an array of shape (*residuals, *residuals) is symmetric but for rounding."""
    count = isqrt(weights.size)
    matrix = weights.reshape(count, count)
    return bool(np.all(abs(matrix - matrix.T) <= MAX_ASYMMETRY * np.max(abs(matrix), initial=0)))


def _computed(call: FlatCall, settings: JacobianSettings, weighted: bool) -> EvaluatedStrategy:
    """Compute all blocks, by argument and argument, and the arrays beside the residuals, weights first."""
    try:
        traced = trace(call.flat, call.leaves)
    except NotLinearised:
        dense = settings._replace(sparse=False, symmetric=False)
        return _squared(call, *chosen(call, dense).computed(call), weighted, settings.sparse)
    arrays = (*call.leaves, *traced.constants)
    decide = partial(_decided, call, traced, settings, weighted)
    if traced.key is None:
        made = decide()
    else:
        types = tuple((str(jax.typeof(array)), batch_of(array)) for array in arrays)
        key = ("gauss-newton", traced.key, traced.numbers, weighted, len(call.outs), types, settings)
        made = kept((*key, jax.default_backend()), decide, size_of_choice, choice_lasts)
    run = None if any(isinstance(array, jax.core.Tracer) for array in arrays) else made.run
    flat = (run or core.jaxpr_as_fun(made.program))(*arrays)
    found: EvaluatedStrategy = jax.tree.unflatten(made.tree, flat)
    return found


def _decided(call: FlatCall, traced: FunctionTrace, settings: JacobianSettings, weighted: bool) -> ChosenProgram:
    """Decide between plans of the product and the product of the Jacobian, by the predicted times of their programs."""
    arrays = [*call.leaves, *traced.constants]

    def made(way: JacobianStrategy, run: Callable[..., EvaluatedStrategy]) -> tuple[float, ChosenProgram]:
        closed, shapes = jax.make_jaxpr(run, return_shape=True)(*arrays)
        program = compiled_later(ChosenProgram(way, closed, jax.tree.structure(shapes)))
        return predicted_seconds(in_batch(closed, arrays)), program

    found = [made(*one) for one in _by_plans(call, traced, settings, weighted)]
    best = min(found, key=lambda one: one[0], default=None)
    if best is not None and (settings.gain is None or settings.sparse):
        return best[1]
    choice = kept_choice(call, traced, settings._replace(sparse=False, symmetric=False))

    def product_of_jacobian(*given: Array) -> EvaluatedStrategy:
        assert choice.chosen is not None, "a traced function has a program"
        jacobian: EvaluatedStrategy = jax.tree.unflatten(
            choice.chosen.tree, core.jaxpr_as_fun(choice.chosen.program)(*given)
        )
        return _squared(call, *jacobian, weighted=weighted, sparse=settings.sparse)

    seconds, program = made(choice.way, product_of_jacobian)
    return best[1] if best is not None and best[0] <= (1 - (settings.gain or 0)) * seconds else program


def _by_plans(
    call: FlatCall, traced: FunctionTrace, settings: JacobianSettings, weighted: bool
) -> Iterator[tuple[JacobianStrategy, Callable[..., EvaluatedStrategy]]]:
    """Yield the ways to compute the product by a plan of its own."""
    linearised = linearise(traced, call.leaves, call.outs, of_steps(settings))
    shapes = [tuple(aval.shape) for aval in traced.closed.out_avals[len(call.outs) : 2 * len(call.outs)]]
    ends = [tuple(out.shape) for out in call.outs]
    words = ["identity"] * len(ends)
    if weighted:
        words = ["diagonal" if shape == end else "dense" for shape, end in zip(shapes, ends, strict=True)]
    mirrored = mirrored_function(linearised, words)
    if mirrored is None:
        way = JacobianStrategy("plan", sparse=settings.sparse, symmetric=True)
        yield way, partial(_zeros, call, linearised, way)
        return
    if not settings.sparse and least_steps(mirrored.graph) > MAX_COMPILED_STEPS:
        return
    for candidate in _plans(mirrored, settings):
        way = JacobianStrategy("plan", candidate, sparse=settings.sparse, symmetric=True)
        yield way, partial(_by_plan, call, mirrored, way, words if weighted else None)


def _plans(mirrored: MirroredFunction, settings: JacobianSettings) -> list[Candidate]:
    """Return plans that differ, one searched for the whole graph and those that keep its symmetry."""
    dense = settings._replace(symmetric=False)

    def first() -> list[str]:
        graph = mirrored.forward.graph
        assert graph is not None, "a mirrored function has a graph"
        found = planned(Problem(graph), dense).candidate
        names = [] if found is None else [WorkGraph(graph).names[v] for v in order_of(found.plan)]
        return [*names, *graph.outputs]

    few = settings.solver != "auto" or len(mirrored.graph.sizes) <= MAX_SEARCHED_VERTICES
    searched = planned(Problem(mirrored.graph), dense).candidate if few else None
    found: list[Candidate] = []
    for candidate in (*([] if searched is None else [searched]), *symmetric_plans(mirrored.graph, first)):
        short = settings.sparse or len(candidate.plan.steps) <= MAX_COMPILED_STEPS
        if short and all(candidate.plan.steps != other.plan.steps for other in found):
            found.append(candidate)
    return found


def _by_plan(
    call: FlatCall, mirrored: MirroredFunction, way: JacobianStrategy, words: Sequence[str] | None, *arrays: Array
) -> EvaluatedStrategy:
    """Compute the product by a plan at the leaves of a call and the constants of its trace."""
    count = len(call.leaves)
    leaves, constants = arrays[:count], arrays[count:]
    linearised, dtype = mirrored.forward, dtype_of(call)
    values = linearised.trace.values(leaves, constants)
    beside = [read(values, atom) for atom in linearised.trace.results[len(call.outs) :]]
    weights = {
        name: _held(prod(out.shape), None if words is None else beside[i], None if words is None else words[i], dtype)
        for i, (name, out) in enumerate(zip(mirrored.weights, call.outs, strict=True))
        if name is not None
    }
    assert way.candidate is not None, "there is a plan"
    held = symmetric_blocks(mirrored, way.candidate, values, weights, dtype)
    return written(held, way, mirrored.outputs, linearised.inputs, dtype, leaves, leaves), beside


def _zeros(call: FlatCall, linearised: LinearisedFunction, way: JacobianStrategy, *arrays: Array) -> EvaluatedStrategy:
    """Return blocks of zeros where no path leads from the arguments to the residuals."""
    leaves, constants = arrays[: len(call.leaves)], arrays[len(call.leaves) :]
    values = linearised.trace.values(leaves, constants)
    beside = [read(values, atom) for atom in linearised.trace.results[len(call.outs) :]]
    nowhere = [None] * len(leaves)
    return written({}, way, nowhere, nowhere, dtype_of(call), leaves, leaves), beside


def _held(size: int, values: Array | None, word: str | None, dtype: DTypeLike) -> HeldBlock:
    """Return the block of the weights of one result."""
    if values is None:
        return HeldDiagonal(size)
    if word == "diagonal":
        return HeldDiagonal(size, values.ravel().astype(dtype))
    return HeldDense(values.reshape(size, size).astype(dtype))


def _squared(
    call: FlatCall, jacobian: Sequence[Sequence[Array]], beside: list[Array], weighted: bool, sparse: bool
) -> EvaluatedStrategy:
    """Multiply the blocks of a Jacobian, by result and argument, with their weights and with themselves."""
    dtype, count = dtype_of(call), len(call.leaves)
    rows = [prod(out.shape) for out in call.outs]
    columns = [
        [block.reshape(m, leaf.size).astype(dtype) for block, leaf in zip(row, call.leaves, strict=True)]
        for m, row in zip(rows, jacobian, strict=True)
    ]

    def block(a: int, b: int) -> Array:
        terms: list[HeldBlock] = []
        for k, row in enumerate(columns):
            right = row[b]
            if weighted:
                w = beside[k].astype(dtype)
                right = w.ravel()[:, None] * right if w.size == rows[k] else w.reshape(rows[k], rows[k]) @ right
            if a != b:
                terms.append(HeldDense(row[a].T @ right))
            else:
                terms.append(symmetric_product(HeldDense(row[a].T), HeldDense(right), dtype, not weighted))
        nothing = HeldDense(jnp.zeros((call.leaves[a].size, call.leaves[b].size), dtype))
        whole = reduce(partial(total, dtype=dtype), terms or [nothing])
        return matrix(symmetrised(whole, dtype) if a == b else whole, dtype)

    made = {(a, b): block(a, b) for a in range(count) for b in range(a, count)}

    def shaped(a: int, b: int) -> Tree:
        one, other = call.leaves[a], call.leaves[b]
        values = made[a, b] if a <= b else made[b, a].T
        typed = values.reshape(*one.shape, *other.shape).astype(jnp.promote_types(one.dtype, other.dtype))
        return full_block(typed) if sparse else typed

    return [[shaped(a, b) for b in range(count)] for a in range(count)], beside
