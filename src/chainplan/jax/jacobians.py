"""jacobian(f): what a user calls and how it is shaped; which program computes it is decided in `choice`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper, wraps
from numbers import Real
from pathlib import Path

import jax
import numpy as np
from jax import Array

from chainplan.errors import PlanError
from chainplan.io.plan_file import SavedPlan
from chainplan.io.read import read_plan
from chainplan.jax.bcoo import full_block
from chainplan.jax.call import by_jax, flattened, has_integers
from chainplan.jax.choice import DEFAULT_NODES, MIN_PLAN_GAIN, JacobianSettings, chosen
from chainplan.jax.errors import DifferentiationError
from chainplan.jax.strategies import mirrored_blocks
from chainplan.jax.types import Tree
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Result
from chainplan.plans.steps import Plan
from chainplan.problem.cost import FMA


class ScalarGradient:
    """The gradient of a function that gives one number; its Jacobian is symmetric."""

    def __init__(self, f: Callable[..., Tree], argnums: int | Sequence[int], has_aux: bool) -> None:
        self._gradient = jax.grad(f, argnums, has_aux)
        update_wrapper(self, f)

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        return self._gradient(*args, **kwargs)


def jacobian(
    f: Callable[..., Tree],
    argnums: int | Sequence[int] = 0,
    *,
    solver: str = "auto",
    budget: float | None = None,
    nodes: int | None = DEFAULT_NODES,
    objective: str | None = None,
    has_aux: bool = False,
    plan: Plan | Result | SavedPlan | str | Path | None = None,
    tune: bool = False,
    gain: float | None = MIN_PLAN_GAIN,
    memory: int | None = None,
    holomorphic: bool = False,
    allow_int: bool = False,
    sparse: bool = False,
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
        The seconds that the search for a plan may take, at the first call of each graph. None sets no limit in time,
        so that the plan is the same on every machine, however busy it is.
    nodes : int | None
        The steps of that search after which it ends, earlier where a plan is proven optimal. None sets no limit.
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
        The share of the predicted time of the better mode that a plan must save; where it saves less, jacfwd or jacrev
        is used. Times are predicted of the programs that would run, on the batch that is in sight. Where a loop is
        opened, half must be saved at least. None uses the plan whatever it saves.
    memory : int | None
        The bytes that one call, compiled on its own, may take beside its arguments and result; seeds are sent in chunks
        as large as that allows. Under `jax.vmap` the limit holds for each call of the batch.
    holomorphic : bool
        Whether f is a holomorphic function of complex arrays, which is left to JAX's modes.
    allow_int : bool
        Whether arguments may be integers, by which all derivatives are zero; such a call is left to JAX's modes.
    sparse : bool
        Whether the blocks are sparse arrays, `jax.experimental.sparse.BCOO` of the shape that they have otherwise, and
        never written out. Their indices are sorted, unique and known from the shapes alone; the entries at other
        places are zero for every argument. A block in which no zeros are known has all its entries. The plan is then
        used whatever it saves.

    Returns
    -------
    Callable[..., Tree]
        A function of the arguments of f. Like `jax.jacrev(f)` it traces f at every call: wrap it in `jax.jit`. What
        follows from the traced function is kept: a second call neither plans nor compiles.

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
    >>> block = jacobian(lambda x: x**2, sparse=True)(jnp.array([1.0, 3.0]))
    >>> block.data.tolist(), block.indices.tolist()
    ([2.0, 6.0], [[0, 0], [1, 1]])
    """
    argnums = integers(argnums)
    if not callable(f):
        raise DifferentiationError(f"f: found {f!r:.60}; expected a function of arrays. Pass the function itself.")
    require_flags(has_aux=has_aux, tune=tune, holomorphic=holomorphic, allow_int=allow_int, sparse=sparse)
    settings = JacobianSettings(solver, budget, nodes, objective, _candidate_of(plan), tune, gain, memory)
    settings = settings._replace(sparse=bool(sparse), symmetric=isinstance(f, ScalarGradient))
    require_settings(settings)
    if holomorphic and (plan is not None or memory is not None):
        raise PlanError(
            "holomorphic: found a plan or a limit of memory beside it; expected neither, because Jacobians of complex "
            "functions are left to JAX's modes. Leave it out, or pass real and imaginary parts as two real arrays."
        )
    if sparse and (holomorphic or allow_int):
        raise PlanError(
            "sparse: found holomorphic or allow_int beside it; expected a function of real arrays, whose entries are "
            "planned. Leave sparse out, or differentiate by real arrays alone."
        )

    @wraps(f)
    def jacobian_of_f(*args: Tree, **kwargs: Tree) -> Tree:
        options = {"argnums": argnums, "has_aux": has_aux, "holomorphic": holomorphic}
        if holomorphic:
            return by_jax(f, "jacrev", args, kwargs, **options)
        if allow_int and has_integers(args, argnums):
            return jax.jacrev(f, allow_int=True, **options)(*args, **kwargs)
        call = flattened(f, argnums, has_aux, args, kwargs)
        choice = chosen(call, settings)
        if choice.chosen is None and choice.symbolic is None and choice.way.chunk is None:
            made = by_jax(f, choice.way.name, args, kwargs, argnums=argnums, has_aux=has_aux)
            nested, aux = made if has_aux else (made, None)
            nested = _mirrored(nested, call.leaves) if settings.symmetric else nested
            nested = call.as_jacrev(nested)
            nested = jax.tree.map(full_block, nested) if sparse else nested
            return (nested, aux) if has_aux else nested
        blocks, computed = choice.computed(call)
        nested = call.nested(blocks) if sparse else call.as_jacrev(call.nested(blocks))
        return (nested, call.passed_on(computed)) if has_aux else nested

    return jacobian_of_f


def _mirrored(nested: Tree, leaves: Sequence[Array]) -> Tree:
    """Read the blocks of a Hessian off its upper triangle."""
    blocks, tree = jax.tree.flatten(nested)
    count = len(leaves)
    rows = mirrored_blocks([blocks[i * count : (i + 1) * count] for i in range(count)], leaves)
    return jax.tree.unflatten(tree, [block for row in rows for block in row])


def require_settings(settings: JacobianSettings) -> None:
    """Refuse options that are not of their kind."""
    gain, budget, nodes, memory = settings.gain, settings.budget, settings.nodes, settings.memory
    if gain is not None and not _is_number(gain):
        raise PlanError(f"gain: found {gain!r}; expected a share such as 0.2, or None to take any plan. Write one.")
    if budget is not None and not (_is_number(budget) and budget >= 0):
        raise PlanError(f"budget: found {budget!r}; expected seconds from 0, or None for no limit. Write budget=1.0.")
    if nodes is not None and (isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 0):
        raise PlanError(f"nodes: found {nodes!r}; expected a number of steps from 0, or None for no limit. Write one.")
    if memory is not None and (isinstance(memory, bool) or not isinstance(memory, int) or memory < 0):
        raise PlanError(f"memory: found {memory!r}; expected a whole number of bytes. Write memory=64 * 2**20.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def require_flags(**flags: object) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise PlanError(f"{name}: found {value!r:.60}; expected True or False. Write one of them.")


def integers(argnums: Tree) -> Tree:
    """Make integers of numpy those of Python; return everything else unchanged."""
    if isinstance(argnums, list | tuple):
        return tuple(map(integers, argnums))
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
