"""Runs plans in numpy: each step one kernel, chosen before the run from the structures of its operands.

A plan is lowered once into a list of closures and kept for as long as the plan lives, so that running it again costs
one Python call per step beside the BLAS call itself. A block is dropped after its last use.

A plan that evaluates states runs on a `primal.Primal` (see `step_kernels`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chainplan.errors import ExecutionError
from chainplan.graph import Elemental
from chainplan.jacobians import Given, is_sparse, matrix_free
from chainplan.kernels.convert import Array, as_matrix, diagonal
from chainplan.primal import Fixed, Primal
from chainplan.replayer import replay
from chainplan.step_kernels import Kernel, Run, kernel_of, loaded, stepwise
from chainplan.steps import Accumulate, Load, Plan, Propagate, evaluates, last_uses
from chainplan.structures import Block, Dense


@dataclass(frozen=True)
class _Program:
    """A lowered plan. `loads`: step, elemental, its shape where any array of it will do, and its block."""

    loads: tuple[tuple[int, Elemental, tuple[int, int] | None, Block], ...]
    applied: tuple[Elemental, ...]
    code: tuple[tuple[Kernel, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    names: frozenset[str]
    evaluates: bool


def execute(
    plan: Plan,
    jacobians: Mapping[str, Given],
    *,
    dense: bool = True,
    dtype: Any = None,
) -> dict[tuple[str, str], Array]:
    """Run a plan.

    Parameters
    ----------
    plan : a plan that has passed `check`.
    jacobians : by elemental name, or a `primal.Primal` for a plan that evaluates states. An explicit elemental is an
        array of rows x cols, of numpy or scipy.sparse, or the
        compact form of its structure: the diagonal, the one number of a scaled identity, an array of b x r x c for
        block_diagonal or of r x c for kronecker, the nonzeros of a listed pattern row by row. What a structure says
        all of may be left out. A matrix-free one is a pair (tangent, adjoint) of functions: tangent maps a block of
        cols x c to F'·block of rows x c, adjoint a block of r x rows to block·F' of r x cols; a mode that the plan
        does not use may be None. An array is taken for such a pair too.
    dense : whether the result is written out as matrices; otherwise as `kernels.forms` holds it: a diagonal as a
        vector, a block-diagonal one as an array of b x r x c, a sparse one as an array of scipy.sparse.
    dtype : of the seeds of matrix-free elementals; by default that of the arrays given, float64 where there is none.

    Returns
    -------
    dict
        (output, input) -> Jacobian of size(output) x size(input), for every pair that a path connects.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, of another shape or structure, or a function returns another shape.
    """
    return prepared(plan, jacobians, dense=dense, dtype=dtype)()


def prepared(
    plan: Plan, jacobians: Mapping[str, Given], *, dense: bool = True, dtype: Any = None
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan, ready to go as often as wanted: the Jacobians are checked and brought into form here.

    Parameters, results and errors are those of `execute`.
    """
    program = _PROGRAMS.get(plan)
    if program is None:
        program = _PROGRAMS[plan] = _lower(plan)
    if program.evaluates:
        return _evaluating(plan, program, jacobians, dense, dtype)
    run = Run(len(plan.steps), jacobians, dtype)
    _take(program, jacobians, run)
    given = {id(value) for value in jacobians.values()}
    return lambda: _executed(plan, program, run, given, dense)


def _evaluating(
    plan: Plan, program: _Program, jacobians: Mapping[str, Given], dense: bool, dtype: Any
) -> Callable[[], dict[tuple[str, str], Array]]:
    """A run of a plan that evaluates states, on what it can be evaluated on or on Jacobians that depend on none."""
    if isinstance(jacobians, Primal):
        primal, given = jacobians, set[int]()
    else:
        _require_known(program, jacobians)
        primal, given = Fixed(plan.graph, jacobians), {id(value) for value in jacobians.values()}

    def run() -> dict[tuple[str, str], Array]:
        fresh = Run(len(plan.steps), {}, dtype, primal)
        fresh.working = plan.graph.inputs[0]
        fresh.states[fresh.working] = primal.start()
        return _executed(plan, program, fresh, given, dense)

    return run


def _executed(plan: Plan, program: _Program, run: Run, given: set[int], dense: bool) -> dict[tuple[str, str], Array]:
    values = run.values
    for kernel, dropped in program.code:
        kernel(run)
        for position in dropped:
            values[position] = None
    result = {}
    for output, source, position in plan.outputs:
        block = program.blocks[position]
        value = as_matrix(values[position], block, run.dtype) if dense else _kept(values[position], block, run)
        from_load = isinstance(plan.steps[position], Load)
        shared = id(value) in given or from_load or is_sparse(value)  # sparse arrays share indices with plans
        result[output, source] = value.copy() if shared else value
    return result


_PROGRAMS: WeakKeyDictionary[Plan, _Program] = WeakKeyDictionary()


def _take(program: _Program, jacobians: Mapping[str, Given], run: Run) -> None:
    """Put the arrays of explicit elementals in their places and keep the functions of matrix-free ones, checked."""
    _require_known(program, jacobians)
    values = run.values
    for position, e, shape, block in program.loads:
        value = jacobians.get(e.name)
        plain = type(value) is np.ndarray and value.shape == shape and value.dtype.kind in "fiuc"
        values[position] = value if plain else loaded(e, value, block, run)
    for e in program.applied:
        if e.name not in jacobians:
            raise ExecutionError(f"no functions for matrix-free '{e.name}'; expected a pair (tangent, adjoint).")
        run.applied[e.name] = matrix_free(e, jacobians[e.name])


def _require_known(program: _Program, jacobians: Mapping[str, Given]) -> None:
    unknown = jacobians.keys() - program.names
    if unknown:
        known = ", ".join(sorted(program.names)[:8])
        raise ExecutionError(f"'{min(unknown)}' is no elemental of the plan; expected some of {known}.")


def _lower(plan: Plan) -> _Program:
    """Choose the kernel of every step."""
    graph, own = plan.graph, evaluates(plan.steps)
    blocks = tuple(typed.block for typed in replay(plan).blocks)
    dropped: list[list[int]] = [[] for _ in plan.steps]
    for position, last in enumerate(last_uses(plan)):
        if last < len(plan.steps) and (own or not isinstance(plan.steps[position], Load)):
            dropped[last].append(position)
    loads, code = [], []
    applied: dict[str, Elemental] = {}
    for position, step in enumerate(plan.steps):
        if isinstance(step, Load) and not own:
            e = graph.declared[step.elemental]
            dense = type(e.block.structure) is Dense
            loads.append((position, e, (e.block.rows, e.block.cols) if dense else None, blocks[position]))
            continue
        if isinstance(step, Accumulate | Propagate) and not own:
            applied[step.elemental] = graph[step.elemental]
        code.append((kernel_of(position, step, plan, blocks), tuple(dropped[position])))
    if own:
        kernels = stepwise([kernel for kernel, _ in code], plan)
        code = [(kernel, drop) for kernel, (_, drop) in zip(kernels, code, strict=True)]
    names = frozenset(e.name for e in graph.elementals)
    return _Program(tuple(loads), tuple(applied.values()), tuple(code), blocks, names, own)


def _kept(value: Any, block: Block, run: Run) -> Any:
    """A held block as it is, written out where its structure said the values."""
    if value is not None:
        return value
    zero = block.structure.name == "zero"
    return as_matrix(value, block, run.dtype) if zero else diagonal(value, block, run.dtype)
