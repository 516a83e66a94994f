"""`chainplan.operator`: a Jacobian as a linear operator of scipy, for those who multiply it and never look at it.

The set-up of the plan runs once, when the operator is made. What is then left of a product is a flat list of functions
(`vector_program`), bound when the first product on a side asks for it; a plan that forms the Jacobian has a program of
its own kind, the products of its blocks with vectors (`plans.kept_blocks`). The methods of scipy's operators convert
and check their argument at length; where a vector of the right shape comes in, the overrides here check that alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from chainplan._util.arrays import Array
from chainplan.errors import ExecutionError
from chainplan.execution.executor import require_jacobians, set_up, understood
from chainplan.execution.plan_run import PlanRun
from chainplan.execution.vector_program import VectorFunction, bound, vector_code
from chainplan.plans.kept_blocks import multiplying
from chainplan.plans.steps import Plan, Planned, Propagate, plan_of
from chainplan.problem.graph import Mode
from chainplan.problem.second import HESSIAN_WORDS, no_hessian
from chainplan.values.jacobians import GivenJacobian

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def operator(
    plan: Plan | Planned,
    jacobians: Mapping[str, GivenJacobian],
    *,
    dtype: DTypeLike | None = None,
    wrap: bool = False,
) -> JacobianOperator:
    """Run the set-up of a plan once, and return the Jacobian, or the Hessian, as a linear operator.

    Parameters
    ----------
    plan : Plan | Planned
        A plan that has passed `check`, or what holds one: a `Result`, a plan file that was read. One for products keeps
        the blocks that it says; any other forms the derivative, and the operator multiplies its blocks. Of a plan for
        second derivatives it is the Hessian of weighted outputs, or of a single number, of inputs x inputs.
    jacobians : Mapping[str, GivenJacobian]
        The elemental Jacobians by name, as for `execute`, and second derivatives as for `second_derivatives`. The
        operator refers to the arrays that a product multiplies, and calls the functions of matrix-free elementals that
        the plan applies in each product: `tangent` with a block of columns, `adjoint` with a block of rows.
    dtype : DTypeLike | None
        The dtype of seeds and of the operator; by default the common one of the given arrays, else float64.
    wrap : bool
        Whether whole numbers that do not fit their dtype wrap in the set-up; otherwise they are refused. In products
        they wrap, as those of numpy do.

    Returns
    -------
    JacobianOperator
        The operator of all inputs and outputs, of (entries of all outputs) x (entries of all inputs), which stand below
        and beside each other in the order of the graph. `operator[output, input]` is that of one pair. The rows of a
        Hessian are those of the inputs, and products on either side are the same, because it is symmetric.

    Raises
    ------
    ExecutionError
        If a Jacobian is missing, unknown, or of another shape or structure, or a function returns another shape; in
        products, too. At a product: if it needs a mode that an elemental lacks.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan, numpy
    >>> problem = chainplan.from_spec({"chain": [300, 10, 300], "products": {"right": 50}})
    >>> A = operator(chainplan.plan(problem), {"F1": numpy.ones((10, 300)), "F2": numpy.ones((300, 10))})
    >>> A.shape, A.matvec(numpy.ones(300))[:2].tolist(), A.T.shape
    ((300, 300), [3000.0, 3000.0], (300, 300))
    """
    second = plan_of(plan).second
    plan, dtype = understood(plan, dtype, products=True, second=second is not None)
    require_jacobians(jacobians)
    count = sum(plan.graph.sizes[v] for v in plan.graph.outputs)
    if second is not None and (found := no_hessian(second, count)):
        todo = "Plan with weights: true and without directions, or call chainplan.second_derivatives."
        raise ExecutionError(f"plan: found one for second derivatives with {found}; expected {HESSIAN_WORDS}. {todo}")
    plan = multiplying(plan)
    run = set_up(plan, jacobians, dtype, wrap)
    rows = plan.graph.outputs if second is None else plan.graph.inputs
    made = JacobianOperator(plan, run, rows, plan.graph.inputs)
    for program in plan.programs:
        if program.times:
            _ = made._right if program.mode is Mode.TANGENT else made._left
    return made


class JacobianOperator(LinearOperator):
    """The Jacobian, of outputs x inputs, or a Hessian, of inputs x inputs, as `chainplan.operator` makes it.

    `matvec` and `matmat` are products J·v with a vector and with the columns of a matrix, `rmatvec` and `rmatmat` those
    with the conjugate transpose; so they do what `.H`, `.T` and expressions such as `A.H @ A` need.

    Attributes
    ----------
    outputs, inputs : tuple[str, ...]
        The vertices whose entries are the rows and the columns, in this order; of a Hessian both are inputs.
    """

    def __init__(self, plan: Plan, run: PlanRun, outputs: Sequence[str], inputs: Sequence[str]) -> None:
        sizes = plan.graph.sizes
        self.outputs, self.inputs = tuple(outputs), tuple(inputs)
        self._plan, self._run = plan, run
        self.dtype = run.dtype  # set here, because scipy's initialiser checks at length what is known to be right
        shape = (sum(sizes[v] for v in outputs), sum(sizes[v] for v in inputs))
        self.shape = shape  # type: ignore[misc]  # the stubs call it final
        self._complex = self.dtype.kind == "c"
        self._column, self._row = ((size,) for size in reversed(self.shape))

    def __getitem__(self, pair: tuple[str, str]) -> JacobianOperator:
        """Return the operator of one output and one input, which shares what the set-up made.

        Parameters
        ----------
        pair : tuple[str, str]
            The output and the input.

        Returns
        -------
        JacobianOperator
            The operator of size(output) x size(input).

        Raises
        ------
        ExecutionError
            If there is no such pair.
        """
        output, source = pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, None)
        if output not in self.outputs or source not in self.inputs:
            raise ExecutionError(
                f"operator: found {pair!r}; expected a pair of an output of {', '.join(self.outputs)} and an input of "
                f"{', '.join(self.inputs)}. Write operator['{self.outputs[0]}', '{self.inputs[0]}'], say."
            )
        return JacobianOperator(self._plan, self._run, (output,), (source,))

    @cached_property
    def _right(self) -> VectorFunction:
        return self._bound(Mode.TANGENT, wide=False)

    @cached_property
    def _right_wide(self) -> VectorFunction:
        return self._bound(Mode.TANGENT, wide=True)

    @cached_property
    def _left(self) -> VectorFunction:
        return self._bound(Mode.ADJOINT, wide=False)

    @cached_property
    def _left_wide(self) -> VectorFunction:
        return self._bound(Mode.ADJOINT, wide=True)

    def _bound(self, mode: Mode, wide: bool) -> VectorFunction:
        """Bind the program of a side; `wide` is for matrices of columns instead of single vectors."""
        ends = self.outputs, self.inputs
        if self._plan.second is not None:
            mode, ends = Mode.TANGENT, ends if mode is Mode.TANGENT else ends[::-1]
        if self._plan.program(mode) is None:
            raise ExecutionError(self._lacking(mode))
        return bound(vector_code(self._plan, mode, *ends, wide), self._run)

    def _lacking(self, mode: Mode) -> str:
        """Say which elementals keep a plan from products on a side."""
        applied = {
            step.elemental for program in self._plan.programs for step in program.steps if isinstance(step, Propagate)
        }
        without = sorted(name for name in applied if self._plan.graph[name].per_vector(mode) is None)
        product = "w·J (rmatvec)" if mode is Mode.ADJOINT else "J·v (matvec)"
        side = "left" if mode is Mode.ADJOINT else "right"
        names = ", ".join(f"'{name}'" for name in without)
        return (
            f"the plan has no products {product}: found no {mode.value} of {names}; expected one of every elemental "
            f"that the plan applies. Ask for such products (products: {{{side}: 1}}), so that the elemental is "
            f"accumulated, or give it a price for the {mode.value}."
        )

    def matvec(self, x: Any) -> Any:
        if type(x) is np.ndarray and x.shape == self._column:
            return self._right(x)
        return super().matvec(x)

    def __matmul__(self, other: Any) -> Any:
        if type(other) is np.ndarray and other.shape == self._column:
            return self._right(other)
        return super().__matmul__(other)

    def rmatvec(self, x: Any) -> Any:
        if type(x) is np.ndarray and x.shape == self._row:
            return self._rmatvec(x)
        return super().rmatvec(x)

    def _matvec(self, x: Array) -> Array:
        return self._right(np.asarray(x).reshape(-1))

    def _rmatvec(self, x: Array) -> Array:
        return self._conjugated(self._left, np.asarray(x).reshape(-1))

    def _matmat(self, X: Array) -> Array:
        return self._right_wide(_matrix(X))

    def _rmatmat(self, X: Array) -> Array:
        return self._conjugated(self._left_wide, _matrix(X))

    def _conjugated(self, function: VectorFunction, x: Array) -> Array:
        """Apply the conjugate transpose, given the function of the transposed Jacobian."""
        if not self._complex and x.dtype.kind != "c":
            return function(x)
        return np.conj(function(np.conj(x)))

    def _transpose(self) -> LinearOperator:
        return super()._transpose() if self._complex else self.H  # type: ignore[misc]  # the method to override


def _matrix(X: Any) -> Array:
    """Return a matrix as an array.

    Raises
    ------
    TypeError
        If it is sparse, which scipy's operators do not take.
    """
    if issparse(X):
        raise TypeError("found a sparse matrix; expected an array. Pass its toarray().")
    return np.asarray(X)
